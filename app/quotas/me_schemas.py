"""The body of the call that tells a caller who it is. Its docstrings and descriptions are in the API document."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.accounts.schemas import Role
from app.quotas.schemas import QueueState, TenantLimit
from app.tenants.plans import Plan


class OwnTenant(BaseModel):
    """The tenant to which the credential belongs."""

    tenant_id: UUID = Field(description="The tenant's id.")
    slug: str = Field(description="The short name of the tenant, as people and commands use it.", examples=["acme"])
    plan: Plan = Field(description="The plan, from which the tenant's limits come.")


class UsedCredential(BaseModel):
    """The credential that this call was made with."""

    kind: Literal["api_key", "token"] = Field(description="A token was made from an API key, or by a member's login.")
    id: str = Field(
        description="The id of the API key, or of the member; a token has that of what it was made from.",
        examples=["4f9a1c0e7b2d"],
    )
    name: str = Field(description="The name of the API key, or the member's e-mail address.", examples=["reports"])
    expires_at: datetime | None = Field(description="The end of its validity. Null for a key that does not expire.")
    role: Role | None = Field(description="The role of the member. Null for an API key, which has scopes of its own.")


class Me(BaseModel):
    """The caller: its tenant, its credential, what this allows, and the limits of the tenant."""

    tenant: OwnTenant = Field(description="The tenant to which everything belongs that this credential sees.")
    credential: UsedCredential = Field(description="The credential that was sent.")
    scopes: list[str] = Field(
        description="What the credential may do now, in alphabetical order.", examples=[["tasks:read", "tasks:write"]]
    )
    queue: QueueState = Field(description="Whether the tenant's tasks start at present.")
    limits: list[TenantLimit] | None = Field(
        description="Every limit with its current use, as in `GET /api/limits`. Null without the scope `usage:read`."
    )
