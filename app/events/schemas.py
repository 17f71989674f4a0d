"""The bodies of the calls about events. Their docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from app.events.types import EventType


class EventError(BaseModel):
    """The error of a task or of a failed attempt."""

    type: str
    message: str
    attempt: int = Field(description="The attempt that failed.")


class EventData(BaseModel):
    """The task, as it was when the event happened. `GET /api/tasks/{task_id}/result` returns its result."""

    task_id: UUID
    task: str | None = Field(description="Name of the task type. Null if the task was erased.")
    status: Literal["SUCCESS", "FAILURE", "REVOKED", "RETRY"]
    attempt_count: int = Field(description="Number of the latest attempt; 0 before the first one.")
    tags: list[str]
    error: EventError | None
    flow_id: UUID | None = Field(description="Reserved: always null.")
    schedule_id: UUID | None = Field(description="Reserved: always null.")


class EndpointEventData(BaseModel):
    """The webhook endpoint, as it was when the event happened."""

    endpoint_id: UUID
    url: str
    failing_since: datetime | None = Field(
        description="Time of the first failed attempt after its latest success; null if none failed."
    )
    disabled_by: Literal["tenant", "operator", "gone", "failing"] | None = Field(
        None, description="Who or what disabled it; null in `endpoint.failing`."
    )


class QuotaEventData(BaseModel):
    """The quota of which 80 or 100 percent are used."""

    quota: Literal["day", "month"]
    percent: Literal[80, 100]
    used: int = Field(description="Tasks of this period, with those that have crossed the line.")
    limit: int = Field(description="The limit `tasks_per_day` or `tasks_per_month`.")
    resets_at: datetime = Field(description="When the period ends, in UTC.")


class KeyEventData(BaseModel):
    """The API key that expires within 7 days."""

    key_id: str
    name: str
    expires_at: datetime


class ScheduleEventData(BaseModel):
    """Fires of a schedule that made no task."""

    schedule_id: UUID = Field(description="The schedule's id.")
    name: str
    outcome: Literal["skipped_overlap", "skipped_quota", "missed"] = Field(description="Why there is no task.")
    reason: str | None = Field(description="More about the outcome, for example the quota; null if there is no more.")
    fire_at: datetime = Field(description="The time of the fire; of several, the first one.")
    count: int = Field(description="The number of fires.")
    until: datetime | None = Field(description="The last one of several fires; null for one.")


class Event(BaseModel):
    """Something that happened to a task, a webhook endpoint, a quota, an API key or a schedule."""

    id: str = Field(description="The same in every answer: recognise an event by it.", examples=["evt_019ab2c4"])
    type: EventType
    created_at: datetime
    data: EventData | EndpointEventData | QuotaEventData | KeyEventData | ScheduleEventData


class EventPage(BaseModel):
    """A page of events, oldest first. It may be empty although a `next_cursor` leads to more: always continue there."""

    items: list[Event]
    next_cursor: str = Field(
        description="Send it as `after` to get the events that follow. It is never null.", examples=["q83vEjRWeJA"]
    )
