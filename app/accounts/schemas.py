"""Request and response bodies of the calls for keys, members and tokens."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.accounts.keys import DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS
from app.accounts.oauth import ErrorCode
from app.accounts.passwords import MAX_LENGTH, MIN_LENGTH

Scope: TypeAlias = Literal[
    "tasks:read",
    "tasks:write",
    "webhooks:read",
    "webhooks:manage",
    "tasks:work",
    "schedules:manage",
    "keys:manage",
    "usage:read",
    "portal:create",
]
Role: TypeAlias = Literal["owner", "developer", "viewer"]

# One visible line: no control characters, and at least one character that is not a space.
_Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\p{C}]*[^\p{C}\s][^\p{C}]*$")]
_Email = Annotated[str, StringConstraints(min_length=3, max_length=254)]
_NewPassword = Annotated[str, StringConstraints(min_length=MIN_LENGTH, max_length=MAX_LENGTH)]
_Password = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LENGTH)]
_NEXT = "Send it as `cursor` to get the next page. Null on the last page."


class _Body(BaseModel):
    # Strict, and without unknown fields: a misspelt field must not be ignored silently.
    model_config = ConfigDict(extra="forbid", strict=True)


class KeyRequest(_Body):
    """A request for a new API key."""

    name: _Name = Field(description="A name for people to recognise the key by.")
    scopes: list[Scope] | None = Field(
        None, min_length=1, max_length=10, description="A part of the caller's own scopes. Default: all of them."
    )
    expires_days: int | None = Field(None, ge=1, le=3_650, description="Default: the key does not expire.")


class RotateRequest(_Body):
    """A request to replace a key."""

    overlap_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] | None = Field(
        DEFAULT_OVERLAP_SECONDS, description="How long both keys are valid."
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
    last_used_at: datetime | None = Field(
        description="When it was used the latest time, exact to the minute; null before that."
    )
    replaced_by: str | None = Field(description="The successor of the key after a rotation; null if there is none.")


class NewKey(Key):
    """An API key with its text, which is shown only here."""

    api_key: str


class KeyPage(BaseModel):
    """A page of keys, newest first, including ended ones."""

    items: list[Key]
    next_cursor: str | None = Field(description=_NEXT)


class MemberRequest(_Body):
    """A request to add a member."""

    email: _Email
    role: Role
    password: _NewPassword | None = Field(None, description="Default: a generated password, shown once.")


class MemberChange(_Body):
    """Changes of a member. A field that is missing here keeps its value."""

    # The default None means that the field is missing. Pydantic does not validate defaults, but refuses a sent null.
    role: Role = Field(cast("Role", None), description="Cannot be null, because a member always has a role.")
    disabled: bool | None = Field(
        None, description="A disabled member cannot log in, and its tokens are refused. Null means false."
    )

    @property
    def is_disabled(self) -> bool | None:
        """The wanted state; ``None`` when the request does not mention it."""
        return bool(self.disabled) if "disabled" in self.model_fields_set else None


class Member(BaseModel):
    """A person who may log in."""

    member_id: UUID
    email: str
    role: Role
    created_at: datetime
    disabled_at: datetime | None
    accepted_at: datetime | None = Field(description="Null until the person has accepted the invitation.")


class NewMember(Member):
    """A member that was just added."""

    initial_password: str | None = Field(
        description="Shown only here. Null when the request had a password, or the person has one."
    )
    invitation: str | None = Field(
        description="Shown only here: the code with which a member of another tenant accepts. Null for a new person."
    )


class MemberPage(BaseModel):
    """A page of members, newest first."""

    items: list[Member]
    next_cursor: str | None = Field(description=_NEXT)


class LoginRequest(_Body):
    """A member's e-mail address and password."""

    email: _Email
    password: _Password
    tenant: Annotated[str, Field(max_length=63)] | None = Field(
        None, description="The tenant's slug. Needed by a member of several tenants."
    )
    invitation: Annotated[str, Field(max_length=64)] | None = Field(
        None, description="The code of an invitation to `tenant`, which the login accepts."
    )


class PasswordRequest(_Body):
    """A member's new password."""

    current_password: _Password
    new_password: _NewPassword


class TokenAnswer(BaseModel):
    """An access token (RFC 6749, 5.1)."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Lifetime in seconds.")
    scope: str = Field(description="Separated by spaces.")


class OAuthProblem(BaseModel):
    """An OAuth error (RFC 6749, 5.2)."""

    error: ErrorCode
    error_description: str


class KeySet(BaseModel):
    """A JWK set (RFC 7517) with the public keys that verify tokens."""

    keys: list[dict[str, str]]
