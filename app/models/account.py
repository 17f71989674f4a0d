"""Tables of API keys, members and revoked tokens, and the epoch that tells every process of a change."""

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
    """The ``key_id`` of its successor after a rotation; both are valid until ``expires_at``."""


class Member(SQLModel, table=True):
    """A person of a tenant, who logs in by e-mail and password."""

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    email: str = Field(unique=True, sa_type=TEXT)
    """In lower case. Unique over all tenants, because a login does not name a tenant."""
    role: str = Field(sa_type=TEXT)
    """``owner``, ``developer`` or ``viewer`` (app/identity/scopes.py)."""
    password_hash: str = Field(sa_type=TEXT)
    """Argon2id, with its parameters."""
    token_version: int = default("1")
    """A token with another version is refused."""
    created_at: datetime = created()
    disabled_at: datetime | None = moment()


class RevokedToken(SQLModel, table=True):
    """A token that was revoked before it expired. The row is deleted after that time."""

    __tablename__ = "revoked_token"
    __table_args__ = (Index("revoked_token_expires", "expires_at"),)

    tenant_id: UUID = tenant_key()
    jti: UUID = Field(primary_key=True)
    expires_at: datetime = Field(sa_type=Timestamp)


class AuthEpoch(SQLModel, table=True):
    """One row with a number that triggers raise with every change of a tenant, key or member."""

    __tablename__ = "auth_epoch"

    id: bool = Field(primary_key=True, sa_column_kwargs={"server_default": "true"})
    epoch: int = Field(sa_type=BigInteger)
