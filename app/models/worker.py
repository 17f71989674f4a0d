"""Workers, as their heartbeats tell."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import TextArray, Timestamp, UuidArray, created, datetime, default


class Worker(SQLModel, table=True):
    """One worker process, from its start to its end; dead when ``heartbeat_at`` is 15 s old."""

    id: UUID = Field(primary_key=True)
    hostname: str = Field(sa_type=TEXT)
    pool: str = Field(sa_type=TEXT)
    slots: int
    """How many tasks it runs at once."""
    task_types: list[str] = Field(sa_type=TextArray, nullable=False)
    pid: int | None = None
    """Of its main process; none in a row that an older version wrote."""
    claim_tokens: list[UUID] = default("'{}'", sa_type=UuidArray)
    """Of the attempts it runs now."""
    started_at: datetime = created()
    heartbeat_at: datetime = created()


class DispatcherLease(SQLModel, table=True):
    """The one row that says which dispatcher leads, and until when."""

    __tablename__ = "dispatcher_lease"

    id: bool = Field(primary_key=True, sa_column_kwargs={"server_default": "true"})
    holder: str = default("''", sa_type=TEXT)
    """Host and process, for people."""
    token: UUID = default("gen_random_uuid()")
    """Of this lead alone: every sweep names it."""
    expires_at: datetime = created()


class PoolSlots(SQLModel, table=True):
    """A pool's slots, as the dispatcher has last seen them. Without a fresh row nobody has a cap."""

    __tablename__ = "pool_slots"

    pool: str = Field(primary_key=True, sa_type=TEXT)
    slots: int
    unjudged_cap: int
    """For a tenant of which it is not known yet how long its tasks run."""
    free_for_long: int
    """Slots that tenants with long tasks may still take before only the reserved one is left."""
    judged_at: datetime = Field(sa_type=Timestamp)


class LongTaskType(SQLModel, table=True):
    """A task type of which more than half of the recent attempts ran for more than a second."""

    __tablename__ = "long_task_type"

    task: str = Field(primary_key=True, sa_type=TEXT)
    since: datetime = created()
