"""The bodies of the account calls."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.accounts.keys import DEFAULT_OVERLAP_SECONDS, LONGEST_OVERLAP_SECONDS
from app.accounts.oauth import ErrorCode
from app.accounts.passwords import LONGEST, SHORTEST

Scope: TypeAlias = Literal["tasks:read", "tasks:write", "webhooks:manage", "keys:manage", "usage:read"]
Role: TypeAlias = Literal["owner", "developer", "viewer"]

_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\p{C}]*[^\p{C}\s][^\p{C}]*$")]
_Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
_NewPassword = Annotated[str, StringConstraints(min_length=SHORTEST, max_length=LONGEST)]
_Password = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]
_NEXT = "Give it as `cursor` for the next page; null on the last."


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class KeyRequest(_Body):
    """A key to be issued."""

    name: _Name = Field(description="For people.")
    scopes: list[Scope] | None = Field(
        None, min_length=1, max_length=10, description="Of those that the caller has; default: all of them."
    )
    expires_days: int | None = Field(None, ge=1, le=3_650, description="Default: it does not expire.")


class RotateRequest(_Body):
    """How a key is to be replaced."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP_SECONDS)] | None = Field(
        DEFAULT_OVERLAP_SECONDS, description="So long the old key holds beside the new one."
    )


class Key(BaseModel):
    """An API key, without the key itself."""

    model_config = ConfigDict(from_attributes=True)

    key_id: str = Field(description="The public part of the key.")
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="To the minute.")
    replaced_by: str | None = Field(description="The key that took its place in a rotation.")


class NewKey(Key):
    """An API key, shown this once."""

    api_key: str


class KeyPage(BaseModel):
    """A page of keys, newest first, with those that hold no more."""

    items: list[Key]
    next_cursor: str | None = Field(description=_NEXT)


class MemberRequest(_Body):
    """A member to be added."""

    email: _Email
    role: Role
    password: _NewPassword | None = Field(None, description="Default: one is made and shown once.")


class MemberChange(_Body):
    """What to change of a member. A member that is missing here stays as it is; null clears it."""

    # None stands for missing only: a default is not validated, and a null that is sent is refused.
    role: Role = Field(cast("Role", None), description="It cannot be null: a member has a role.")
    disabled: bool | None = Field(
        None, description="A member who is disabled cannot log in; its tokens are dead. Null is false."
    )

    @property
    def is_disabled(self) -> bool | None:
        """Whether the member shall be disabled; None where nothing is said."""
        return bool(self.disabled) if "disabled" in self.model_fields_set else None


class Member(BaseModel):
    """A person who may log in."""

    member_id: UUID
    email: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None


class NewMember(Member):
    """A member just added."""

    initial_password: str | None = Field(description="Shown this once; null where the request gave a password.")


class MemberPage(BaseModel):
    """A page of members, newest first."""

    items: list[Member]
    next_cursor: str | None = Field(description=_NEXT)


class LoginRequest(_Body):
    """A member's e-mail address and password."""

    email: _Email
    password: _Password


class PasswordRequest(_Body):
    """A member's new password."""

    current_password: _Password
    new_password: _NewPassword


class TokenAnswer(BaseModel):
    """An access token (RFC 6749, 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.")
    scope: str = Field(description="Separated by spaces.")


class OAuthProblem(BaseModel):
    """Why there is no token (RFC 6749, 5.2)."""

    error: ErrorCode
    error_description: str


class KeySet(BaseModel):
    """A JWK set (RFC 7517): the keys by which tokens are verified."""

    keys: list[dict[str, str]]
