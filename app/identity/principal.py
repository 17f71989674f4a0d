"""Who is calling."""

from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: an operator by the name of the system user, an API key by its ``key_id``, a member by e-mail."""

    type: Literal["operator", "api_key", "member"]
    name: str
    address: str | None = None
    """Of the client, where the act came over HTTP."""

    def at(self, address: str | None) -> "Actor":
        """Return the same actor, calling from an address."""
        return replace(self, address=address)


@dataclass(frozen=True, slots=True)
class Principal:
    """A tenant's caller, as of at most 2 s ago."""

    tenant_id: UUID
    slug: str
    plan: str
    """``free``, ``pro`` or ``enterprise``."""
    overrides: dict[str, int] = field(hash=False)
    """The tenant's own limits, in place of those of its plan (app/tenants/plans.py has the effective ones)."""
    status: str
    """The tenant's: ``active`` or ``suspended``."""
    scopes: frozenset[str]
    key_id: str | None
    """The public part of the API key, also where a token was made from it; ``None`` for a member."""
    member_id: UUID | None = None
    """``None`` for a key."""
    email: str | None = None
    """The member's."""
    tenant_version: int = 1
    """Of the tenant's tokens: one that names another version is dead."""

    @property
    def actor(self) -> Actor:
        """Return who acts, for the audit."""
        return Actor("member", self.email) if self.email else Actor("api_key", self.key_id or "")
