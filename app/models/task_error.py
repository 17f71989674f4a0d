"""Tables of the errors of tasks: failures that are not counted yet, errors, and the tasks in which they occurred."""

from uuid import UUID

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import IntegerArray, Timestamp, created, datetime, default, moment, tenant_key


class ErrorSeen(SQLModel, table=True):
    """A failed attempt that the dispatcher has not counted yet."""

    # No foreign key: a row is written only in the transaction that ends an attempt, and its task has one.
    __tablename__ = "error_seen"

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    tenant_id: UUID
    task_id: UUID
    attempt: int
    fingerprint: UUID
    task: str = Field(sa_type=TEXT)
    type: str = Field(sa_type=TEXT)
    seen_at: datetime = created()


class ErrorRow(SQLModel, table=True):
    """An error of a tenant: failures of one task type that have the same fingerprint."""

    # No index on what a new occurrence changes: a tenant has few rows.
    __tablename__ = "task_error"

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    task: str = Field(sa_type=TEXT)
    type: str = Field(sa_type=TEXT)
    message: str | None = Field(default=None, sa_type=TEXT)
    status: str = default("'unresolved'", sa_type=TEXT)
    occurrences: int = Field(sa_type=BigInteger)
    first_seen: datetime = Field(sa_type=Timestamp)
    last_seen: datetime = Field(sa_type=Timestamp)
    last_task_id: UUID
    hourly: list[int] = Field(sa_type=IntegerArray)
    hourly_until: datetime = Field(sa_type=Timestamp)
    resolved_at: datetime | None = moment()
    resolved_by: str | None = Field(default=None, sa_type=TEXT)
    regressed_at: datetime | None = moment()


class ErrorTask(SQLModel, table=True):
    """The error of which a task's latest failed attempt is an occurrence."""

    # No foreign keys: a row goes with its task, and its error may be deleted before.
    __tablename__ = "error_task"
    # Without the tenant, who is part of the error's id: an index that begins with it could be chosen to find one task.
    __table_args__ = (Index("error_task_error", "error_id", "task_id"),)

    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    error_id: UUID
    attempt: int
