"""Table of the audit log."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, created, datetime, default


class AuditEvent(SQLModel, table=True):
    """One change by a tenant or an operator. A trigger makes the table append-only."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("audit_event_tenant", "tenant_id", "id"),)

    id: UUID = Field(primary_key=True)
    # No foreign key: events of the service have no tenant.
    tenant_id: UUID | None = None
    actor_type: str = Field(sa_type=TEXT)
    """``operator``, ``api_key`` or ``member``."""
    actor: str = Field(sa_type=TEXT)
    action: str = Field(sa_type=TEXT)
    """Past tense: ``tenant.created``, ``key.revoked``."""
    object: str = Field(sa_type=TEXT)
    detail: dict[str, Any] = default("'{}'", sa_type=Json)
    address: str | None = Field(default=None, sa_type=TEXT)
    """Network address of the client, for a change over HTTP."""
    created_at: datetime = created()
