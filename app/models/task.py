"""Tasks, their attempts and results, what waits, and the idempotency keys of their submits."""

from typing import Any
from uuid import UUID

from sqlalchemy import Double, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, JsonText, TextArray, Timestamp, created, datetime, default, moment, tenant_key


class Task(SQLModel, table=True):
    """A tenant's unit of work. Partitioned by the month in its id; only tasks/intake and tasks/run write it.

    PENDING → STARTED → SUCCESS | FAILURE | REVOKED, STARTED → RETRY → STARTED; a terminal row never changes.
    """

    __table_args__ = {"postgresql_partition_by": "RANGE (id)"}

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    task: str = Field(sa_type=TEXT)
    """Name of the task type."""
    pool: str = Field(sa_type=TEXT)
    """Kind of worker that runs it: ``prefork`` or ``asyncio``."""
    status: str = default("'PENDING'", sa_type=TEXT)
    priority: int = Field(sa_type=SmallInteger)
    """0 to 9, 9 most urgent."""
    payload: Any = Field(sa_type=JsonText, nullable=False)
    due_at: datetime = Field(sa_type=Timestamp)
    """When it may run: at once, at ``scheduled_at``, or after a retry's backoff."""
    scheduled_at: datetime | None = moment()
    expires_at: datetime | None = moment()
    """Not started by then, it ends REVOKED."""
    attempt: int = default("0")
    """Number of the latest attempt; 0 before the first."""
    failed_attempts: int = default("0")
    """Attempts that count against ``max_attempts``."""
    max_attempts: int = Field(sa_type=SmallInteger)
    time_limit_seconds: float = Field(sa_type=Double)
    """Hard limit of one attempt."""
    timeout_seconds: float | None = Field(default=None, sa_type=Double)
    """Soft limit that the submit asked for."""
    claim_token: UUID | None = None
    """Of the latest attempt: whoever writes must hold it."""
    cancel_requested_at: datetime | None = moment()
    progress: Any = Field(default=None, sa_type=Json, nullable=True)
    """``{done, total, note}``, as the latest attempt reported it last."""
    error: Any = Field(default=None, sa_type=Json, nullable=True)
    """``{type, message, attempt}`` of the latest failure."""
    tags: list[str] = default("'{}'", sa_type=TextArray)
    webhook_url: str | None = Field(default=None, sa_type=TEXT)
    retry_of: UUID | None = None
    traceparent: str | None = Field(default=None, sa_type=TEXT)
    created_at: datetime = created()
    started_at: datetime | None = moment()
    finished_at: datetime | None = moment()


class Attempt(SQLModel, table=True):
    """One run of a task: STARTED, then SUCCESS, FAILURE, REVOKED, or LOST and RETURNED, which do not count."""

    __table_args__ = (
        Index("attempt_running", "worker_id", postgresql_where=text("finished_at IS NULL")),
        {"postgresql_partition_by": "RANGE (task_id)"},
    )

    tenant_id: UUID = tenant_key()
    task_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    status: str = default("'STARTED'", sa_type=TEXT)
    claim_token: UUID
    worker_id: UUID
    error: Any = Field(default=None, sa_type=Json, nullable=True)
    started_at: datetime = created()
    deadline_at: datetime = Field(sa_type=Timestamp)
    """Hard limit and 5 s more: after it the attempt is lost whatever its worker says."""
    finished_at: datetime | None = moment()


class Result(SQLModel, table=True):
    """What a task that succeeded returned."""

    __table_args__ = {"postgresql_partition_by": "RANGE (task_id)"}

    tenant_id: UUID = tenant_key()
    task_id: UUID = Field(primary_key=True)
    result: Any = Field(sa_type=JsonText, nullable=False)


class BacklogEntry(SQLModel, table=True):
    """A waiting task: whoever deletes its row has the right to run or end it."""

    __tablename__ = "backlog"
    # Its tenant is its task's, by which alone it is written: a foreign key here would be checked for each task again.
    __table_args__ = (
        Index("backlog_long", "tenant_id", "pool", "due_at", postgresql_where=text("is_long")),
        Index("backlog_due", "pool", "tenant_id", "priority", "due_at"),
        Index("backlog_scheduled", "due_at", postgresql_where=text("is_scheduled")),
        Index("backlog_expiring", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    pool: str = Field(sa_type=TEXT)
    priority: int = Field(sa_type=SmallInteger)
    due_at: datetime = Field(sa_type=Timestamp)
    is_scheduled: bool
    """Due in the future when it was written: the dispatcher offers its ticket."""
    expires_at: datetime | None = moment()
    is_long: bool = default("false")
    """Its task type was known to be long when this was written."""


class IdempotencyKey(SQLModel, table=True):
    """The key of a request, the fingerprint of its body and the first task that it made; kept 24 h."""

    __tablename__ = "idempotency_key"
    __table_args__ = (Index("idempotency_key_created", "created_at"),)

    tenant_id: UUID = tenant_key()
    key: str = Field(primary_key=True, sa_type=TEXT)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    task_id: UUID
    created_at: datetime = created()
    answer: str | None = Field(sa_type=TEXT)
    """What the request was answered with, which names all its tasks; null where ``task_id`` says all."""
