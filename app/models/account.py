"""API keys, and the epoch by which every process learns of their change."""

from uuid import UUID

from sqlalchemy import BigInteger, LargeBinary
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import TextArray, created, datetime, moment, tenant_key


class ApiKey(SQLModel, table=True):
    """A key of a tenant, stored as an HMAC; ``key_id`` is its public part."""

    __tablename__ = "api_key"

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    key_id: str = Field(unique=True, sa_type=TEXT)
    digest: bytes = Field(sa_type=LargeBinary)
    """HMAC-SHA256 of the whole key under the pepper ``pepper_id``."""
    pepper_id: str = Field(sa_type=TEXT)
    name: str = Field(sa_type=TEXT)
    scopes: list[str] = Field(sa_type=TextArray, nullable=False)
    created_at: datetime = created()
    expires_at: datetime | None = moment()
    revoked_at: datetime | None = moment()
    last_used_at: datetime | None = moment()


class AuthEpoch(SQLModel, table=True):
    """One row: the number that moves with every change of a tenant or key (by triggers)."""

    __tablename__ = "auth_epoch"

    id: bool = Field(primary_key=True, sa_column_kwargs={"server_default": "true"})
    epoch: int = Field(sa_type=BigInteger)
