"""API keys, members, revoked tokens, and the epoch by which every process learns of their change."""

from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import TextArray, Timestamp, created, datetime, default, moment, tenant_key


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
    replaced_by: str | None = Field(default=None, sa_type=TEXT)
    """The ``key_id`` that took its place in a rotation; until ``expires_at`` both hold."""


class Member(SQLModel, table=True):
    """A person of a tenant, who logs in by e-mail and password."""

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    email: str = Field(unique=True, sa_type=TEXT)
    """In lower case; unique over all tenants, since a login names none."""
    role: str = Field(sa_type=TEXT)
    """``owner``, ``developer`` or ``viewer`` (app/identity/scopes.py)."""
    password_hash: str = Field(sa_type=TEXT)
    """Argon2id, with its parameters."""
    token_version: int = default("1")
    """A token that names another one is dead."""
    created_at: datetime = created()
    disabled_at: datetime | None = moment()


class RevokedToken(SQLModel, table=True):
    """A token that was revoked before its end; pruned after it."""

    __tablename__ = "revoked_token"
    __table_args__ = (Index("revoked_token_expires", "expires_at"),)

    tenant_id: UUID = tenant_key()
    jti: UUID = Field(primary_key=True)
    expires_at: datetime = Field(sa_type=Timestamp)


class AuthEpoch(SQLModel, table=True):
    """One row: the number that moves with every change of a tenant or key (by triggers)."""

    __tablename__ = "auth_epoch"

    id: bool = Field(primary_key=True, sa_column_kwargs={"server_default": "true"})
    epoch: int = Field(sa_type=BigInteger)
