"""Tables of workers, the dispatcher's lease, and the slots of each pool."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import TextArray, Timestamp, UuidArray, created, datetime, default


class Worker(SQLModel, table=True):
    """One worker process from its start to its end. It counts as dead when ``heartbeat_at`` is older than 15 s."""

    id: UUID = Field(primary_key=True)
    hostname: str = Field(sa_type=TEXT)
    pool: str = Field(sa_type=TEXT)
    slots: int
    """Tasks that it runs at once."""
    task_types: list[str] = Field(sa_type=TextArray, nullable=False)
    pid: int | None = None
    """Pid of its main process; null in a row of an older version."""
    claim_tokens: list[UUID] = default("'{}'", sa_type=UuidArray)
    """Tokens of the attempts that it runs now."""
    started_at: datetime = created()
    heartbeat_at: datetime = created()


class DispatcherLease(SQLModel, table=True):
    """One row that names the leading dispatcher and the end of its lease."""

    __tablename__ = "dispatcher_lease"

    id: bool = Field(primary_key=True, sa_column_kwargs={"server_default": "true"})
    holder: str = default("''", sa_type=TEXT)
    """Host and process, for people to read."""
    token: UUID = default("gen_random_uuid()")
    """Token of this lease. Every sweep names it as its fence."""
    expires_at: datetime = created()


class PoolSlots(SQLModel, table=True):
    """The slots of a pool at the dispatcher's last look. Without a fresh row no tenant has a cap."""

    __tablename__ = "pool_slots"

    pool: str = Field(primary_key=True, sa_type=TEXT)
    slots: int
    unjudged_cap: int
    """Cap of a tenant whose tasks have not yet been measured."""
    free_for_long: int
    """Slots that tenants with long tasks may still take before only the reserved slot is left."""
    judged_at: datetime = Field(sa_type=Timestamp)


class LongTaskType(SQLModel, table=True):
    """A task type of which more than half of the recent attempts ran for more than a second."""

    __tablename__ = "long_task_type"

    task: str = Field(primary_key=True, sa_type=TEXT)
    since: datetime = created()
