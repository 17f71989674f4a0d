"""Tables of schedules and their fires."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, Float, ForeignKeyConstraint, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, JsonText, TextArray, Timestamp, created, datetime, default, moment, tenant_key


class ScheduleRecord(SQLModel, table=True):
    """A task that is submitted at certain times, and where the schedule stands."""

    __tablename__ = "schedule"
    __table_args__ = (
        # The name comes first: only the primary key begins with the tenant, so no search for an id can take this index.
        Index("schedule_name", "name", "tenant_id", unique=True),
        # For all tenants together: the dispatcher probes it a few times a second.
        Index("schedule_due", "next_fire_at", postgresql_where=text("next_fire_at IS NOT NULL")),
        Index("schedule_due_of_tenant", "tenant_id", "next_fire_at", postgresql_where=text("next_fire_at IS NOT NULL")),
        # The dispatcher looks once a second at the schedules with a fire that waits (decision 29).
        Index("schedule_queued", "id", postgresql_where=text("queued_fire_at IS NOT NULL")),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    name: str = Field(sa_type=TEXT)
    cron: str | None = Field(default=None, sa_type=TEXT)
    every_seconds: int | None = None
    timezone: str = Field(sa_type=TEXT)
    window_seconds: int = default("0")
    starts_at: datetime | None = moment()
    ends_at: datetime | None = moment()
    overlap: str = Field(sa_type=TEXT)
    catch_up: str = Field(sa_type=TEXT)
    catch_up_seconds: int
    max_fires: int | None = None
    pause_after_failures: int | None = None
    task: str = Field(sa_type=TEXT)
    pool: str = Field(sa_type=TEXT)
    payload: Any = Field(sa_type=JsonText)
    priority: int = Field(sa_type=SmallInteger)
    max_attempts: int = Field(sa_type=SmallInteger)
    time_limit_seconds: float = Field(sa_type=Float)
    timeout_seconds: float | None = Field(default=None, sa_type=Float)
    expires_seconds: float | None = Field(default=None, sa_type=Float)
    tags: list[str] = default("'{}'", sa_type=TextArray)
    # The name "metadata" belongs to SQLModel.
    metadata_: Any = Field(default=None, sa_column=Column("metadata", Json))
    webhook_url: str | None = Field(default=None, sa_type=TEXT)
    version: int = default("1", sa_type=BigInteger)
    next_fire_at: datetime | None = moment()
    queued_fire_at: datetime | None = moment()
    last_fire_at: datetime | None = moment()
    last_task_id: UUID | None = None
    fires: int = default("0", sa_type=BigInteger)
    paused_at: datetime | None = moment()
    paused_by: str | None = Field(default=None, sa_type=TEXT)
    pause_note: str | None = Field(default=None, sa_type=TEXT)
    failures_from: datetime = created()
    created_at: datetime = created()
    updated_at: datetime = created()


class FireRecord(SQLModel, table=True):
    """The outcome of a fire of a schedule."""

    __tablename__ = "schedule_fire"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "schedule_id"], ["schedule.tenant_id", "schedule.id"], ondelete="CASCADE"),
        # Old rows are deleted by it.
        Index("schedule_fire_created", "created_at"),
    )

    tenant_id: UUID = Field(primary_key=True)
    schedule_id: UUID = Field(primary_key=True)
    fire_at: datetime = Field(primary_key=True, sa_type=Timestamp)
    outcome: str = Field(sa_type=TEXT)
    reason: str | None = Field(default=None, sa_type=TEXT)
    count: int = default("1")
    until: datetime | None = moment()
    task_id: UUID | None = None
    created_at: datetime = created()
