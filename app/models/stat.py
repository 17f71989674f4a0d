"""The table of statistics."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, SmallInteger, text
from sqlalchemy.dialects.postgresql import ARRAY, TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Timestamp, default, tenant_key


class StatBucket(SQLModel, table=True):
    """Counts of the tasks of one type in a minute, an hour or a day (UTC), with histograms of their times."""

    __tablename__ = "stat"
    __table_args__ = (Index("stat_hour", "starts_at", postgresql_where=text("minutes = 60")),)

    tenant_id: UUID = tenant_key()
    minutes: int = Field(primary_key=True, sa_type=SmallInteger)
    """Length of the bucket: 1, 60 or 1440."""
    starts_at: datetime = Field(primary_key=True, sa_type=Timestamp)
    task: str = Field(primary_key=True, sa_type=TEXT)
    """Name of the task type; empty in the tenant's own row, which has ``is_at_limit``."""
    submitted: int = default("0", sa_type=BigInteger)
    succeeded: int = default("0", sa_type=BigInteger)
    failed: int = default("0", sa_type=BigInteger)
    revoked: int = default("0", sa_type=BigInteger)
    retried: int = default("0", sa_type=BigInteger)
    is_at_limit: bool = default("false")
    times: Any = default("'{}'", sa_type=ARRAY(BigInteger))
    """Three sparse histograms (app/stats/histogram.py)."""
