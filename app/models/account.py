"""Tables of API keys, persons, memberships, sessions and revoked tokens, and the epoch that tells of a change."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import TextArray, Timestamp, created, datetime, default, moment, tenant_key


class ApiKey(SQLModel, table=True):
    """A key of a tenant, stored as an HMAC; ``key_id`` is its public part."""

    __tablename__ = "api_key"
    __table_args__ = (
        Index(
            # The dispatcher looks here for keys that expire soon.
            "api_key_expiring",
            "expires_at",
            postgresql_where=text(
                "expires_at IS NOT NULL AND expiring_told_at IS NULL AND revoked_at IS NULL AND replaced_by IS NULL"
            ),
        ),
    )

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
    expiring_told_at: datetime | None = moment()
    """Time of the event ``key.expiring``."""


class Person(SQLModel, table=True):
    """A person who logs in, with one password for all tenants."""

    __tablename__ = "person"

    # A person may be a member of several tenants and belongs to none, so the table has no tenant.
    email: str = Field(primary_key=True, sa_type=TEXT)
    """In lower case."""
    password_hash: str = Field(sa_type=TEXT)
    """Argon2id, with its parameters."""
    password_is_initial: bool
    """True until the person has set a password."""
    version: int = default("1")
    created_at: datetime = created()


class Member(SQLModel, table=True):
    """The membership of a person in a tenant."""

    # The address comes first: a sign-in knows the address, and not yet the tenant.
    __table_args__ = (UniqueConstraint("email", "tenant_id"),)

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    email: str = Field(foreign_key="person.email", sa_type=TEXT)
    role: str = Field(sa_type=TEXT)
    """``owner``, ``developer`` or ``viewer`` (app/identity/scopes.py)."""
    token_version: int = default("1")
    """A token with another version is refused."""
    created_at: datetime = created()
    disabled_at: datetime | None = moment()
    accepted_at: datetime | None = moment()
    invitation: bytes | None = Field(default=None, sa_type=LargeBinary)
    """SHA-256 of the code with which the person accepts."""


class ConsoleSession(SQLModel, table=True):
    """A browser that is signed in to the console."""

    __tablename__ = "console_session"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "member_id"], ["member.tenant_id", "member.id"], ondelete="CASCADE"),
        # Expired rows are found and deleted by it.
        Index("console_session_expires", "expires_at"),
        Index("console_session_key", "key_id"),
        Index("console_session_member", "tenant_id", "member_id"),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    """SHA-256 of the cookie."""
    member_id: UUID | None = None
    key_id: str | None = Field(default=None, foreign_key="api_key.key_id", ondelete="CASCADE", sa_type=TEXT)
    operator: str | None = Field(default=None, sa_type=TEXT)
    role: str | None = Field(default=None, sa_type=TEXT)
    label: str | None = Field(default=None, sa_type=TEXT)
    tenant_version: int
    member_version: int | None = None
    created_at: datetime = created()
    expires_at: datetime = Field(sa_type=Timestamp)
    return_url: str | None = Field(default=None, sa_type=TEXT)


class PortalLink(SQLModel, table=True):
    """A link that signs a browser in once."""

    __tablename__ = "portal_link"
    # By the first one, links that have expired are deleted.
    __table_args__ = (Index("portal_link_expires", "expires_at"), Index("portal_link_key", "key_id"))

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    """SHA-256 of the secret part of the link."""
    key_id: str | None = Field(default=None, foreign_key="api_key.key_id", ondelete="CASCADE", sa_type=TEXT)
    operator: str | None = Field(default=None, sa_type=TEXT)
    role: str = Field(sa_type=TEXT)
    label: str | None = Field(default=None, sa_type=TEXT)
    theme: str | None = Field(default=None, sa_type=TEXT)
    session_seconds: int
    """Seconds that its session lasts."""
    expires_at: datetime = Field(sa_type=Timestamp)
    return_url: str | None = Field(default=None, sa_type=TEXT)
    """The page to which the console leads back."""


class RevokedToken(SQLModel, table=True):
    """A token that was revoked before it expired. The row is deleted after that time."""

    __tablename__ = "revoked_token"
    # After its end a token is refused anyway, so the row is deleted by this index.
    __table_args__ = (Index("revoked_token_expires", "expires_at"),)

    tenant_id: UUID = tenant_key()
    jti: UUID = Field(primary_key=True)
    expires_at: datetime = Field(sa_type=Timestamp)


class AuthEpoch(SQLModel, table=True):
    """One row with a number that triggers raise with every change of a tenant, key or member."""

    __tablename__ = "auth_epoch"

    id: bool = Field(primary_key=True, sa_column_kwargs={"server_default": "true"})
    epoch: int = Field(sa_type=BigInteger)
