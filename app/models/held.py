"""Tables of tasks that wait for other tasks."""

from uuid import UUID

from sqlalchemy import Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Timestamp, datetime, default, moment


class HeldTask(SQLModel, table=True):
    """A task that waits for others. The transaction that ends the last of them moves its row to the backlog."""

    __tablename__ = "held"
    # No foreign key to tenant: the row is only written together with its task, whose foreign key was just checked.
    __table_args__ = (
        Index("held_doomed", "tenant_id", postgresql_where=text("doomed_by IS NOT NULL")),
        Index("held_expiring", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
    )

    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    remaining: int
    """Tasks that it waits for and that have not ended."""
    doomed_by: UUID | None = None
    """A task that did not end as this one needs."""
    pool: str = Field(sa_type=TEXT)
    priority: int = Field(sa_type=SmallInteger)
    due_at: datetime = Field(sa_type=Timestamp)
    expires_at: datetime | None = moment()
    is_long: bool = default("false")


class DependencyRecord(SQLModel, table=True):
    """One task waits for another. Rows never change."""

    __tablename__ = "dependency"
    __table_args__ = (Index("dependency_downstream", "tenant_id", "downstream_id"),)

    tenant_id: UUID = Field(primary_key=True)
    upstream_id: UUID = Field(primary_key=True)
    downstream_id: UUID = Field(primary_key=True)
    need: int = Field(sa_type=SmallInteger)
    """1 success, 2 failure, 3 finished."""
