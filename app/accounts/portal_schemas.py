"""Bodies of the call that makes links to the console. Their docstrings are part of the API document."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.accounts.return_origins import MAX_ORIGINS
from app.accounts.schemas import Role
from app.core.origins import PROTECTED, URL_REST

_Label = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\p{C}]*[^\p{C}\s][^\p{C}]*$")]

# A host name has at most 253 characters.
_Origin = Annotated[str, StringConstraints(max_length=268, pattern=f"^{PROTECTED}$")]
_ReturnUrl = Annotated[str, StringConstraints(max_length=2_048, pattern=f"^{PROTECTED}{URL_REST}$")]


class PortalLinkRequest(BaseModel):
    """A request for a link to the console."""

    # Without return_url: it works only once its origin is in the portal settings.
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"role": "viewer"}]})

    role: Role = Field(description="What the session may do: at most what your own scopes allow.")
    member: _Label | None = Field(
        None, description="Whom the link is for. The console and the audit log show this text; it gives no rights."
    )
    return_url: _ReturnUrl | None = Field(
        None,
        description="The page to which the console leads back. Its origin must be in the portal settings.",
    )
    theme: Literal["light", "dark"] | None = Field(None, description="Default: that of the browser.")


class PortalLink(BaseModel):
    """A link that signs one browser in."""

    url: str = Field(
        description="Open it in a browser. Its page asks once before it uses the link up.",
        examples=["https://tasks.example.com/console/link/6Jx0cR0Yz5kq3cWkq2m4b1b0m3m8l8n7wqkz0sQ5d2E"],
    )
    expires_at: datetime


class PortalSettings(BaseModel):
    """The tenant's settings of portal links."""

    model_config = ConfigDict(extra="forbid", strict=True)

    return_origins: list[_Origin] = Field(
        max_length=MAX_ORIGINS,
        description="Origins of your own web pages, to which a link may lead back (`return_url`).",
        examples=[["https://app.example.com"]],
    )
