"""Tables of tasks, attempts, results, the backlog and idempotency keys."""

from typing import Any
from uuid import UUID

from sqlalchemy import REAL, Column, Double, Index, LargeBinary, SmallInteger, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import (
    Json,
    JsonText,
    TextArray,
    Timestamp,
    UuidArray,
    created,
    datetime,
    default,
    moment,
    tenant_key,
)


class Task(SQLModel, table=True):
    """A tenant's unit of work. Partitioned by the month in its id; only tasks/submit and tasks/run write it.

    PENDING → STARTED → SUCCESS | FAILURE | REVOKED, STARTED → RETRY → STARTED; an ended row only
    changes when it is erased.
    """

    __table_args__ = (
        Index(
            "task_metadata",
            "metadata_labels",
            postgresql_using="gin",
            # Without a list of pending entries, no submit has to write those of earlier ones.
            postgresql_with={"fastupdate": "off"},
            # A task without metadata has no entry, so its submit does not pay for the index (decision 12).
            postgresql_where=text("metadata_labels IS NOT NULL"),
        ),
        {"postgresql_partition_by": "RANGE (id)"},
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    created_at: datetime = created()
    scheduled_at: datetime | None = moment()
    expires_at: datetime | None = moment()
    """A task that was not started by then ends REVOKED."""
    time_limit_seconds: float = Field(sa_type=Double)
    """Hard limit of one attempt."""
    timeout_seconds: float | None = Field(default=None, sa_type=Double)
    """Soft limit of one attempt, from the submit."""
    priority: int = Field(sa_type=SmallInteger)
    """0 to 9, 9 most urgent."""
    max_attempts: int = Field(sa_type=SmallInteger)
    task: str = Field(sa_type=TEXT)
    """Name of the task type."""
    pool: str = Field(sa_type=TEXT)
    """Pool of workers that runs it: ``prefork``, ``asyncio`` or ``http``."""
    payload: Any = Field(sa_type=JsonText, nullable=False)
    tags: list[str] = default("'{}'", sa_type=TextArray)
    # The name "metadata" belongs to SQLModel.
    metadata_: Any = Field(default=None, sa_column=Column("metadata", Json))
    """Texts by key that the submit gave."""
    metadata_labels: list[UUID] | None = Field(default=None, sa_type=UuidArray, nullable=True)
    """Hashes by which lists find its metadata (SQL function metadata_labels)."""
    webhook_url: str | None = Field(default=None, sa_type=TEXT)
    retry_of: UUID | None = None
    traceparent: str | None = Field(default=None, sa_type=TEXT)
    # The columns that change begin here: Postgres logs an update from the first byte that it changes (decision 17).
    due_at: datetime = Field(sa_type=Timestamp)
    """Time from which it may run: at once, at ``scheduled_at``, or after the backoff of a retry."""
    started_at: datetime | None = moment()
    attempt: int = default("0")
    """Number of the latest attempt; 0 before the first."""
    failed_attempts: int = default("0")
    """Attempts that count against ``max_attempts``."""
    claim_token: UUID | None = None
    """Token of the latest attempt. A write for the attempt must name it."""
    cancel_requested_at: datetime | None = moment()
    finished_at: datetime | None = moment()
    status: str = default("'PENDING'", sa_type=TEXT)
    progress: Any = Field(default=None, sa_type=Json, nullable=True)
    """``{done, total, note}``: the last report of the latest attempt."""
    error: Any = Field(default=None, sa_type=Json, nullable=True)
    """``{type, message, attempt}`` of the latest failure."""
    result: Any = Field(default=None, sa_type=JsonText, nullable=True)
    """The return value, unless it is larger than ``outcomes.SMALL_RESULT``; then it is a ``Result``."""
    erased_at: datetime | None = moment()
    """Time at which its tenant erased what it was about."""
    gates: int = default("0", sa_type=SmallInteger)
    """Bits: 1 others wait, or have waited, for its end; 2 it waits, or has waited, for others."""


class Attempt(SQLModel, table=True):
    """One run of a task: STARTED, then SUCCESS, FAILURE, REVOKED, or LOST and RETURNED, which do not count."""

    __table_args__ = (
        # By finished_at and not by status: a plan that looks for one attempt by its key must not choose this index.
        Index("attempt_running", "worker_id", postgresql_where=text("finished_at IS NULL")),
        {"postgresql_partition_by": "RANGE (task_id)"},
    )

    # No foreign key to tenant: the row is only written together with its task, which has one.
    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    claim_token: UUID
    worker_id: UUID
    started_at: datetime = created()
    deadline_at: datetime = Field(sa_type=Timestamp)
    """Start, hard limit and 5 s: afterwards the attempt is lost, even if its worker still reports it."""
    waited_seconds: float = default("0", sa_type=REAL)
    """From ``due_at`` of its task to the claim."""
    limited_seconds: float = default("0", sa_type=REAL)
    """The part of it in which the tenant's running tasks stood at their limit."""
    finished_at: datetime | None = moment()
    status: str = default("'STARTED'", sa_type=TEXT)
    error: Any = Field(default=None, sa_type=Json, nullable=True)


class Result(SQLModel, table=True):
    """The return value of a task that succeeded, if it is too large for the row of its task."""

    __table_args__ = {"postgresql_partition_by": "RANGE (task_id)"}

    # No foreign key to tenant: the row is only written together with its task, which has one.
    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    result: Any = Field(sa_type=JsonText, nullable=False)


class TaskLogLine(SQLModel, table=True):
    """A line that a task's code has logged. Rows never change."""

    __tablename__ = "task_log"
    __table_args__ = {"postgresql_partition_by": "RANGE (task_id)"}

    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    seq: int = Field(primary_key=True)
    """Number of the line within its attempt, from 1."""
    at: datetime = Field(sa_type=Timestamp)
    level: str = Field(sa_type=TEXT)
    message: str = Field(sa_type=TEXT)
    fields: Any = Field(default=None, sa_type=Json, nullable=True)


class BacklogEntry(SQLModel, table=True):
    """A waiting task. The transaction that deletes its row may start or end the task."""

    __tablename__ = "backlog"
    # No foreign key to tenant: the row is only written together with its task, whose foreign key was just checked.
    __table_args__ = (
        Index("backlog_long", "tenant_id", "pool", "due_at", postgresql_where=text("is_long")),
        # The pool comes first: an index that begins with the tenant could be chosen to find one task.
        Index("backlog_due", "pool", "tenant_id", "priority", "due_at"),
        # A task that is due at once has no entry: its ticket is offered when it is submitted.
        Index("backlog_scheduled", "due_at", postgresql_where=text("is_scheduled")),
        # Only tasks that may expire have an entry here and in the next one.
        Index("backlog_expiring", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
        Index("backlog_expiring_by_tenant", "tenant_id", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    pool: str = Field(sa_type=TEXT)
    priority: int = Field(sa_type=SmallInteger)
    due_at: datetime = Field(sa_type=Timestamp)
    is_scheduled: bool
    """Due in the future when it was written. The dispatcher offers its ticket then."""
    expires_at: datetime | None = moment()
    is_long: bool = default("false")
    """The task type was known to be long when the row was written."""


class IdempotencyKey(SQLModel, table=True):
    """The key of a request, the fingerprint of its body and its first task. The row is kept for 24 h."""

    __tablename__ = "idempotency_key"
    # A key is kept for 24 h, and the old ones are found by it.
    __table_args__ = (Index("idempotency_key_created", "created_at"),)

    tenant_id: UUID = tenant_key()
    key: str = Field(primary_key=True, sa_type=TEXT)
    fingerprint: bytes = Field(sa_type=LargeBinary)
    task_id: UUID
    created_at: datetime = created()
    answer: str | None = Field(sa_type=TEXT)
    """The answer to the request, which names all its tasks; null when ``task_id`` says everything."""
