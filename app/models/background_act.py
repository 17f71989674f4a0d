"""Table of the operations: acts on many objects of a tenant, in the background."""

from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, LargeBinary, text
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, created, datetime, default, moment, tenant_key


class BackgroundAct(SQLModel, table=True):
    """An act on many objects of a tenant, with its progress. The leading dispatcher runs it."""

    __tablename__ = "operation"
    __table_args__ = (
        Index(
            "operation_idempotency_key",
            "tenant_id",
            "idempotency_key",
            unique=True,
            # A key is taken out after 24 h, and then free again. Most requests have none.
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
        # The dispatcher looks once a second. Where nothing runs, the index is empty.
        Index("operation_running", "tenant_id", postgresql_where=text("finished_at IS NULL")),
    )

    tenant_id: UUID = tenant_key()
    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_type=TEXT)
    status: str = default("'RUNNING'", sa_type=TEXT)
    filter: dict[str, Any] = Field(sa_type=Json)
    asked_by: str = Field(sa_type=TEXT)
    # Before every id, and not null: an optional bound is a filter in a plan that is kept (decision 10).
    cursor: UUID = default("'00000000-0000-0000-0000-000000000000'")
    is_counted: bool = default("false")
    total: int = default("0", sa_type=BigInteger)
    done: int = default("0", sa_type=BigInteger)
    failed: int = default("0", sa_type=BigInteger)
    skipped: int = default("0", sa_type=BigInteger)
    errors: list[dict[str, Any]] = default("'[]'", sa_type=Json)
    waiting_for_limit: str | None = Field(default=None, sa_type=TEXT)
    cancel_requested_at: datetime | None = moment()
    created_at: datetime = created()
    finished_at: datetime | None = moment()
    idempotency_key: str | None = Field(default=None, sa_type=TEXT)
    fingerprint: bytes | None = Field(default=None, sa_type=LargeBinary)
