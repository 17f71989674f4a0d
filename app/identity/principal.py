"""Who is calling."""

from dataclasses import dataclass, field
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Principal:
    """A tenant's caller, as of at most 2 s ago."""

    tenant_id: UUID
    slug: str
    plan: str
    """``free``, ``pro`` or ``enterprise``."""
    limits: dict[str, int] = field(hash=False)
    """The tenant's own limits, over those of its plan."""
    status: str
    """The tenant's: ``active`` or ``suspended``."""
    scopes: frozenset[str]
    key_id: str
    """The public part of the API key."""
