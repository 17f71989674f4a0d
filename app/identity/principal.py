"""The caller of a request, and the actor that the audit log names."""

from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from app.identity.tokens import Claims, Subject


@dataclass(frozen=True, slots=True)
class Actor:
    """The actor of a change: an operator (by system user), an API key (by ``key_id``) or a member (by e-mail)."""

    type: Literal["operator", "api_key", "member"]
    name: str
    address: str | None = None
    """Network address of the client, for a change over HTTP."""

    def at(self, address: str | None) -> "Actor":
        """Return the same actor with a client address."""
        return replace(self, address=address)


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that is signed in to the console."""

    id: UUID
    name: str
    """Whom to greet: the e-mail address of the member, or the label of the portal link."""
    role: str
    return_url: str | None = None
    """The page of the tenant from which the person came by a portal link, and to which the console leads back."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller of a tenant. It is at most 2 s old: a revoked key or a changed plan counts after that time."""

    tenant_id: UUID
    slug: str
    plan: str
    """``free``, ``pro`` or ``enterprise``."""
    overrides: dict[str, int] = field(hash=False)
    """The tenant's own limits, in place of those of its plan (app/tenants/plans.py has the effective ones)."""
    status: str
    """Status of the tenant: ``active`` or ``suspended``."""
    scopes: frozenset[str]
    key_id: str | None
    """Public part of the API key, also for a token or a portal link that was made from it; ``None`` for a member."""
    member_id: UUID | None = None
    """``None`` for a key."""
    email: str | None = None
    """E-mail address of the member; ``None`` for a key."""
    tenant_version: int = 1
    """Version of the tenant's tokens: a token with another version is refused."""
    token: Claims | None = None
    """The token that was sent; ``None`` for an API key."""
    operator: str | None = None
    """System user who made the portal link; ``None`` for everybody else."""
    session: "Session | None" = None
    """The session of the console; ``None`` for a call of the API."""

    @property
    def subject(self) -> Subject:
        """Return the subject of tokens that are made for this caller."""
        if self.token is not None:
            return self.token.subject
        return Subject(self.tenant_id, self.tenant_version, key_id=self.key_id)

    @property
    def actor(self) -> Actor:
        """Return the actor for the audit log."""
        # First: the session of an operator's link has the role of a tenant, but the audit log must name the operator.
        if self.operator:
            return Actor("operator", self.operator)
        return Actor("member", self.email) if self.email else Actor("api_key", self.key_id or "")
