"""Tables of webhook endpoints and their secrets."""

from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import TextArray, created, datetime, default, moment, tenant_key


class Endpoint(SQLModel, table=True):
    """A URL that gets the events of a tenant."""

    __table_args__ = (
        Index("endpoint_unwell", "tenant_id", "id", postgresql_where=text("NOT enabled OR failing_since IS NOT NULL")),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    url: str = Field(sa_type=TEXT)
    description: str | None = Field(default=None, sa_type=TEXT)
    event_types: list[str] = Field(sa_type=TextArray)
    filter_tasks: list[str] | None = Field(default=None, sa_type=TextArray)
    filter_tags: list[str] | None = Field(default=None, sa_type=TextArray)
    sealed_headers: str | None = Field(default=None, sa_type=TEXT)
    header_names: list[str] = default("'{}'", sa_type=TextArray)
    rate_per_second: int | None = None
    rate_until: datetime | None = moment()
    """Each attempt moves it on by 1 / ``rate_per_second`` seconds."""
    after_seq: int = Field(sa_type=BigInteger)
    """The endpoint gets the events with a greater number."""
    enabled: bool = default("true")
    disabled_at: datetime | None = moment()
    disabled_by: str | None = Field(default=None, sa_type=TEXT)
    """``tenant``, ``operator``, ``gone`` or ``failing``."""
    failing_since: datetime | None = moment()
    """Time of the first failed attempt after the latest success."""
    failing_told_at: datetime | None = moment()
    created_at: datetime = created()
    updated_at: datetime = created()


class EndpointSecret(SQLModel, table=True):
    """A sealed signing secret of an endpoint. Two are valid during a rotation."""

    __tablename__ = "endpoint_secret"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "endpoint_id"], ["endpoint.tenant_id", "endpoint.id"], ondelete="CASCADE"),
    )

    tenant_id: UUID = Field(primary_key=True)
    endpoint_id: UUID = Field(primary_key=True)
    id: UUID = Field(primary_key=True)
    sealed: str = Field(sa_type=TEXT)
    created_at: datetime = created()
    expires_at: datetime | None = moment()


class EndpointDeleted(SQLModel, table=True):
    """An endpoint that was deleted while deliveries may still wait for it."""

    __tablename__ = "endpoint_deleted"

    tenant_id: UUID = tenant_key()
    endpoint_id: UUID = Field(primary_key=True)
