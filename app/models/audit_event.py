"""Who did what."""

from typing import Any
from uuid import UUID

from sqlalchemy import Index
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, created, datetime, default


class AuditEvent(SQLModel, table=True):
    """One act on a tenant's or the operator's things; append-only by a trigger."""

    __tablename__ = "audit_event"
    __table_args__ = (Index("audit_event_tenant", "tenant_id", "id"),)

    id: UUID = Field(primary_key=True)
    tenant_id: UUID | None = None
    actor_type: str = Field(sa_type=TEXT)
    """``operator``, ``api_key`` or ``member``."""
    actor: str = Field(sa_type=TEXT)
    action: str = Field(sa_type=TEXT)
    """Past tense: ``tenant.created``, ``key.revoked``."""
    object: str = Field(sa_type=TEXT)
    detail: dict[str, Any] = default("'{}'", sa_type=Json)
    address: str | None = Field(default=None, sa_type=TEXT)
    """Of the client, where the act came over HTTP."""
    created_at: datetime = created()
