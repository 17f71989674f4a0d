"""Tables of the event log."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, text
from sqlmodel import Field, SQLModel

from app.models.columns import Json, Timestamp, created, datetime, default, tenant_key


class Event(SQLModel, table=True):
    """Something that happened to a task or an endpoint. Rows never change, and are partitioned by day."""

    __table_args__ = (
        # Not unique: a unique index would need created_at. The lock of tenant_slots makes each number unique.
        Index("event_seq", "tenant_id", "seq"),
        # An event without a webhook has no entry, so it costs the fan-out nothing.
        Index("event_webhook_seq", "tenant_id", "webhook_seq", postgresql_where=text("webhook_seq IS NOT NULL")),
        {"postgresql_partition_by": "RANGE (created_at)"},
    )

    # No foreign key: an event is written in the transaction that changes its task, which has one.
    tenant_id: UUID = Field(primary_key=True)
    subject: UUID
    """The task, or what else the event is about."""
    seq: int = Field(primary_key=True, sa_type=BigInteger)
    """Number among the tenant's events, without gaps."""
    created_at: datetime = created()
    attempt: int
    type: int = Field(sa_type=SmallInteger)
    """1 ``task.succeeded``, 2 ``task.failed``, 3 ``task.revoked``, 4 ``task.retrying``; the others in the schema."""
    webhook_seq: int | None = Field(default=None, sa_type=BigInteger)
    """The same as ``seq`` for an event that is sent to the task's webhook_url, or may be sent to endpoints."""
    data: dict[str, Any] | None = Field(default=None, sa_type=Json)
    """The content of an event that is about no task."""


class WebhookCursor(SQLModel, table=True):
    """The place in a tenant's events up to which they have become deliveries."""

    __tablename__ = "webhook_cursor"

    tenant_id: UUID = tenant_key()
    seq: int = default("0", sa_type=BigInteger)
    read_from: datetime = default("'-infinity'", sa_type=Timestamp)
    """Events after ``seq`` were created at this time or later."""
