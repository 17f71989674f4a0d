"""Tables of tenants' own task types, leases and workers."""

from typing import Any
from uuid import UUID

from sqlalchemy import Float, Index, SmallInteger
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import JsonText, TextArray, Timestamp, created, datetime, default, moment, tenant_key


class TaskTypeRecord(SQLModel, table=True):
    """A task type that a tenant has declared for workers of its own."""

    __tablename__ = "task_type"

    tenant_id: UUID = tenant_key()
    name: str = Field(primary_key=True, sa_type=TEXT)
    summary: str = default("''", sa_type=TEXT)
    payload_schema: Any = Field(default=None, sa_type=JsonText, nullable=True)
    result_schema: Any = Field(default=None, sa_type=JsonText, nullable=True)
    max_attempts: int = Field(sa_type=SmallInteger)
    time_limit: float = Field(sa_type=Float)
    lease_seconds: int
    retry_backoff: float = Field(sa_type=Float)
    retry_backoff_max: float = Field(sa_type=Float)
    retry_jitter: bool
    created_at: datetime = created()
    updated_at: datetime = created()


class LeaseRecord(SQLModel, table=True):
    """A running attempt of a tenant's own worker."""

    __tablename__ = "lease"
    __table_args__ = (Index("lease_expiring", "expires_at"),)

    tenant_id: UUID = Field(primary_key=True)
    task_id: UUID = Field(primary_key=True)
    claim_token: UUID
    task: str = Field(sa_type=TEXT)
    worker: str = Field(sa_type=TEXT)
    lease_seconds: int
    expires_at: datetime = Field(sa_type=Timestamp)
    confirmed_at: datetime | None = moment()
    lost_at: datetime | None = moment()


class RemoteWorkerRecord(SQLModel, table=True):
    """A worker of a tenant, by the name that it gives itself."""

    __tablename__ = "remote_worker"

    tenant_id: UUID = tenant_key()
    worker: str = Field(primary_key=True, sa_type=TEXT)
    version: str | None = Field(default=None, sa_type=TEXT)
    task_types: list[str] = Field(sa_type=TextArray)
    first_seen_at: datetime = created()
    seen_at: datetime = created()
