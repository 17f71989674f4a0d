"""The body of the answer with statistics. Its docstrings and descriptions are part of the API document."""

from datetime import datetime

from pydantic import BaseModel, Field

from app.stats.buckets import Bucket


class Percentiles(BaseModel):
    """Estimates in seconds, at most 19 % off. Null if no attempt ended."""

    p50: float | None
    p95: float | None
    p99: float | None


class WaitTimes(BaseModel):
    """The waits before the attempts started, in two parts."""

    limit: Percentiles = Field(description="The part in which your running tasks stood at your limit `running`.")
    platform: Percentiles = Field(description="The rest: what you waited for us, or while your queue was paused.")


class StatsPoint(BaseModel):
    """The events of one bucket of time."""

    starts_at: datetime
    submitted: int = Field(description="Tasks accepted. Counted up to 20 s late.")
    succeeded: int
    failed: int
    revoked: int = Field(description="Tasks cancelled or expired.")
    retried: int = Field(description="Attempts that failed and were followed by another.")
    error_rate: float | None = Field(description="`failed / (succeeded + failed)`; null if neither happened.")
    limit_reached: bool = Field(description="True if your running tasks stood at your limit, of whatever task type.")
    wait_seconds: WaitTimes
    run_seconds: Percentiles


class TaskStats(BaseModel):
    """A series of points, oldest first, one for each bucket."""

    task: str | None = Field(description="The task type; null for all of them together.")
    points: list[StatsPoint]


class Stats(BaseModel):
    """Your statistics. Attempts and tasks are counted when they end, tasks also when they are submitted."""

    bucket: Bucket
    starts_at: datetime = Field(description="Start of the first bucket.")
    ends_at: datetime = Field(description="End of the last bucket.")
    items: list[TaskStats] = Field(description="One series; with `by=task` one for each task type of that time.")
