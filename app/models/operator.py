"""Tables of operators' sessions and of the links that begin them. They belong to no tenant."""

from uuid import UUID

from sqlalchemy import LargeBinary
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Timestamp, created, datetime


class OperatorSession(SQLModel, table=True):
    """A browser that is signed in to the operator's pages."""

    # Without a tenant and without a right for any role but tq_admin: no api process can sign an operator in.
    __tablename__ = "operator_session"

    id: UUID = Field(primary_key=True)
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    """SHA-256 of the cookie."""
    operator: str = Field(sa_type=TEXT)
    """System user who made the link."""
    created_at: datetime = created()
    expires_at: datetime = Field(sa_type=Timestamp)


class OperatorLink(SQLModel, table=True):
    """A link that signs a browser in to the operator's pages once."""

    __tablename__ = "operator_link"

    id: UUID = Field(primary_key=True)
    digest: bytes = Field(unique=True, sa_type=LargeBinary)
    """SHA-256 of the secret part of the link."""
    operator: str = Field(sa_type=TEXT)
    expires_at: datetime = Field(sa_type=Timestamp)
