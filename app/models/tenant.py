"""Tables of tenants and their slots."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, TextArray, Timestamp, created, datetime, default, moment, tenant_key


class Tenant(SQLModel, table=True):
    """A customer. ``limits`` overrides single limits of its plan (app/tenants/plans.py)."""

    __table_args__ = (Index("tenant_paused", "id", postgresql_where=text("queue_paused OR queue_paused_by_tenant")),)

    id: UUID = Field(primary_key=True)
    slug: str = Field(unique=True, sa_type=TEXT)
    name: str = Field(sa_type=TEXT)
    plan: str = Field(sa_type=TEXT)
    """``free``, ``pro`` or ``enterprise``."""
    status: str = default("'active'", sa_type=TEXT)
    """``active``, ``suspended`` (every call 403, nothing starts) or ``deleted``."""
    queue_paused: bool = default("false")
    """True while the operator lets no task start. Calls are still answered."""
    queue_paused_by_tenant: bool = default("false")
    """True while the tenant itself lets no task start."""
    limits: dict[str, int] = default("'{}'", sa_type=Json)
    token_version: int = default("1")
    """A token with another version is refused."""
    created_at: datetime = created()
    return_origins: list[str] = default("'{}'", sa_type=TextArray)
    """Origins to which a portal link may lead back."""


class TenantSlots(SQLModel, table=True):
    """The running count that a claim raises and an end lowers. ``running_limit`` follows plan and override.

    The tasks that wait are counted nowhere: waiting = ``TenantAdmitted.admitted`` + ``returned`` - ``departed``.
    """

    __tablename__ = "tenant_slots"
    __table_args__ = (
        Index(
            "tenant_slots_capped",
            "tenant_id",
            postgresql_where=text("cap_prefork IS NOT NULL OR cap_asyncio IS NOT NULL OR cap_http IS NOT NULL"),
        ),
    )

    tenant_id: UUID = tenant_key()
    running: int = default("0")
    """Running tasks in all pools."""
    running_limit: int
    returned: int = default("0", sa_type=BigInteger)
    """Tasks that ever returned from an attempt into the backlog."""
    departed: int = default("0", sa_type=BigInteger)
    """Tasks that ever left the backlog: claimed, cancelled or expired."""
    running_asyncio: int = default("0")
    """The part of ``running`` that is in the asyncio pool."""
    running_http: int = default("0")
    """The part of ``running`` that is in the http pool."""
    # The caps are in the row that a claim locks anyway, so it counts no slots of others (decision 13).
    cap_prefork: int | None = None
    """Slots that a tenant with long tasks may have in this pool; null for a tenant not known to have any."""
    cap_asyncio: int | None = None
    cap_http: int | None = None
    short_until_prefork: datetime | None = moment()
    """Until then the tenant needs no cap, because one of its tasks has just ended within a second."""
    short_until_asyncio: datetime | None = moment()
    short_until_http: datetime | None = moment()
    held_back: int = default("0", sa_type=SmallInteger)
    """Bits of the pools (1 prefork, 2 asyncio, 4 http) in which a cap has delayed due tasks."""
    features: int = default("1", sa_type=SmallInteger)
    """Bits of what the tenant uses: 1 it can read its events, 2 it has endpoints."""
    # Here, because every end updates this row anyway: so numbers have no gaps, and are committed in their order.
    event_seq: int = default("0", sa_type=BigInteger)
    """Number of the tenant's latest event, taken under the lock of this row."""
    webhook_seq: int = default("0", sa_type=BigInteger)
    """Events up to this number may have a webhook. Deliveries are due while ``WebhookCursor.seq`` is smaller."""
    # Kept by updates that claims and ends make anyway, so the split of a wait costs no write (decision 21).
    full_since: datetime = default("'epoch'", sa_type=Timestamp)
    """Start of the latest period in which ``running`` stood at its limit."""
    full_until: datetime | None = Field(
        default=None, sa_type=Timestamp, sa_column_kwargs={"server_default": text("'epoch'")}
    )
    """End of that period; null while ``running`` stands at its limit."""
    leased: int = default("0")
    """Running tasks of the tenant's own workers. They are not in ``running``."""
    lease_limit: int = default("0")
