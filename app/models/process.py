"""Dispatchers and webhooks processes, as they say themselves."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, created, datetime, default


class ProcessHeartbeat(SQLModel, table=True):
    """One process, from its start to its end; it counts as dead when ``heartbeat_at`` is 15 s old."""

    __tablename__ = "process_heartbeat"

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_type=TEXT)
    """``dispatcher`` or ``webhooks``."""
    hostname: str = Field(sa_type=TEXT)
    pid: int
    details: dict[str, object] = default("'{}'", sa_type=Json)
    """``round_age``: seconds since its last round, at the heartbeat; of a dispatcher also ``leads``."""
    started_at: datetime = created()
    heartbeat_at: datetime = created()
