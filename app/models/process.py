"""Table of the heartbeats of processes other than apis and workers."""

from uuid import UUID

from sqlalchemy.dialects.postgresql import TEXT
from sqlmodel import Field, SQLModel

from app.models.columns import Json, created, datetime, default


class ProcessHeartbeat(SQLModel, table=True):
    """One process from its start to its end. It counts as dead when ``heartbeat_at`` is older than 15 s."""

    __tablename__ = "process_heartbeat"

    id: UUID = Field(primary_key=True)
    kind: str = Field(sa_type=TEXT)
    """``dispatcher``, ``webhooks`` or ``operator``."""
    hostname: str = Field(sa_type=TEXT)
    pid: int
    details: dict[str, object] = default("'{}'", sa_type=Json)
    """``round_age``: seconds from its last round to the heartbeat, ``recent_rounds``: seconds of the last ten rounds. A
    dispatcher also has ``leads``."""
    started_at: datetime = created()
    # By the database's clock, so that the clocks of the hosts do not matter.
    heartbeat_at: datetime = created()
