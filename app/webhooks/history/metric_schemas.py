"""The bodies of the call about metrics of deliveries. Docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field

BucketLength: TypeAlias = Literal["minute", "hour", "day"]
Series: TypeAlias = Literal["endpoint", "type", "status"]
StatusClass: TypeAlias = Literal["2xx", "3xx", "4xx", "5xx", "none"]


class AttemptDurations(BaseModel):
    """Durations of attempts in milliseconds, estimated from a histogram."""

    p50: float
    p95: float
    p99: float


class DeliveryMetric(BaseModel):
    """The attempts of one bucket of time and one series."""

    at: datetime = Field(description="Begin of the bucket, in UTC.")
    endpoint_id: UUID | None = Field(description="With `by=endpoint`: the endpoint; null for webhook_url.")
    type: str | None = Field(description="With `by=type`: the type of the events; otherwise null.")
    status: StatusClass | None = Field(
        description="With `by=status`: class of answers, `none` if no answer came; otherwise null."
    )
    attempts: int
    failures: int = Field(description="Attempts that did not deliver: no answer, or another one than 2xx.")
    error_rate: float = Field(description="`failures` / `attempts`.")
    first_attempts: int = Field(description="Attempts that were the first of their delivery.")
    retries: int = Field(description="All other attempts.")
    duration_ms: AttemptDurations


class DeliveryMetrics(BaseModel):
    """Attempts over time, oldest bucket first. A bucket without attempts is left out."""

    bucket: BucketLength
    items: list[DeliveryMetric]
