"""Table of the counts of delivery attempts."""

from uuid import UUID

from sqlalchemy import ARRAY, Integer
from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Timestamp, datetime, tenant_key


class WebhookStat(SQLModel, table=True):
    """Attempts of deliveries of one bucket of time, endpoint, type of event and class of answers."""

    __tablename__ = "webhook_stat"

    tenant_id: UUID = tenant_key()
    bucket: str = Field(primary_key=True, sa_type=TEXT)
    at: datetime = Field(primary_key=True, sa_type=Timestamp)
    # All zeros for the webhook_url of tasks, because a key has no null.
    endpoint_id: UUID = Field(primary_key=True)
    event_type: str = Field(primary_key=True, sa_type=TEXT)
    status_class: str = Field(primary_key=True, sa_type=TEXT)
    attempts: int
    first_attempts: int
    histogram: list[int] = Field(sa_type=ARRAY(Integer))
