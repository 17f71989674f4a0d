"""Tables of webhook secrets, deliveries and delivery attempts. Endpoints are in ``endpoint``."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Timestamp, created, datetime, default, moment, tenant_key


class WebhookSecret(SQLModel, table=True):
    """A sealed signing secret of a tenant. Several are valid during a rotation."""

    __tablename__ = "webhook_secret"

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    sealed: str = Field(sa_type=TEXT)
    created_at: datetime = created()
    expires_at: datetime | None = moment()


class Delivery(SQLModel, table=True):
    """One event for one URL, with the exact body to send and the time of the next attempt."""

    __table_args__ = (
        # Without the tenant, as that of endpoints: an index that begins with it could be chosen for a single delivery.
        Index("delivery_task", "task_id"),
        Index("delivery_due", "due_at", postgresql_where=text("status = 'PENDING'")),
        # Somebody waits for the answer of a test, so tests go before all others and are found apart.
        Index("delivery_test", "due_at", postgresql_where=text("status = 'PENDING' AND event_seq IS NULL")),
        Index("delivery_url_key", "tenant_id", "url_key", "due_at", postgresql_where=text("status = 'PENDING'")),
        Index("delivery_endpoint", "endpoint_id", "id", postgresql_where=text("endpoint_id IS NOT NULL")),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    event_id: UUID
    """``webhook-id`` is ``msg_`` and this, the same for every endpoint."""
    event_seq: int | None = Field(default=None, sa_type=BigInteger)
    """The number of the event; null for a test."""
    endpoint_id: UUID | None = None
    """Null for a task's webhook_url."""
    task_id: UUID | None = None
    event_type: str = Field(sa_type=TEXT)
    url: str = Field(sa_type=TEXT)
    url_key: str = Field(sa_type=TEXT)
    """The URL without its query, or the endpoint: what is bounded and retried as one."""
    body: str | None = Field(default=None, sa_type=TEXT)
    """Null only for a delivery that was skipped when it was made."""
    status: str = default("'PENDING'", sa_type=TEXT)
    """``PENDING``, ``DELIVERED``, ``FAILED`` (every attempt failed) or ``SKIPPED`` (the endpoint was disabled)."""
    skipped_reason: str | None = Field(default=None, sa_type=TEXT)
    attempt: int = default("0")
    schedule_from: int = default("0")
    """Attempts that were made before it was sent again."""
    due_at: datetime = created()
    claim_token: UUID | None = None
    created_at: datetime = created()
    finished_at: datetime | None = moment()


class DeliveryAttempt(SQLModel, table=True):
    """One attempt of a delivery, with its response or error."""

    __tablename__ = "delivery_attempt"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "delivery_id"], ["delivery.tenant_id", "delivery.id"], ondelete="CASCADE"),
    )

    tenant_id: UUID = Field(primary_key=True)
    delivery_id: UUID = Field(primary_key=True)
    attempt: int = Field(primary_key=True)
    started_at: datetime = Field(sa_type=Timestamp)
    duration_ms: int
    response_status: int | None = None
    error: str | None = Field(default=None, sa_type=TEXT)
    response_body: str | None = Field(default=None, sa_type=TEXT)
