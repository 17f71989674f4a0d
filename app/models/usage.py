"""Tables of the usage ledger."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import BigInteger, Double, Identity, Integer
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import created, default, tenant_key


class TenantAdmitted(SQLModel, table=True):
    """Counters of a tenant's submits: of its day, its month and its backlog (``waiting`` of app/quotas/store.py)."""

    __tablename__ = "tenant_admitted"

    tenant_id: UUID = tenant_key()
    # It only grows: a submit adds to it without a lock on the row that claims and ends lock.
    admitted: int = default("0", sa_type=BigInteger)
    """Tasks ever admitted to the backlog."""
    day: date = default("'-infinity'")
    """UTC, of the latest task; ``month`` is the first day of its month."""
    # In the row that submits lock, so that a quota costs no row of its own (decision 17).
    day_used: int = default("0", sa_type=BigInteger)
    month: date = default("'-infinity'")
    month_used: int = default("0", sa_type=BigInteger)


class UsageByTask(SQLModel, table=True):
    """The usage of one task type in a day (UTC): accepted tasks, ended attempts, and the seconds that they took."""

    __tablename__ = "usage_by_task"

    tenant_id: UUID = tenant_key()
    day: date = Field(primary_key=True)
    task: str = Field(primary_key=True, sa_type=TEXT)
    tasks: int = default("0", sa_type=BigInteger)
    attempts: int = default("0", sa_type=BigInteger)
    worker_seconds: float = default("0", sa_type=Double)


class WorkerTime(SQLModel, table=True):
    """Attempts and tasks of one task type that ended together. The dispatcher adds them to usage and statistics."""

    # No foreign key to tenant: a row is written only with the end of a task, which has one.
    __tablename__ = "worker_time"

    id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_args=[Identity(always=True)])
    tenant_id: UUID
    ended_at: datetime = created()
    task: str = Field(sa_type=TEXT)
    attempts: int = default("1")
    seconds: float = Field(sa_type=Double)
    # One integer for each attempt: a counter that ends update would make the ends of a tenant wait for each other.
    samples: list[int] = default("'{}'", sa_type=ARRAY(Integer))
