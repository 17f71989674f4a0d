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


class Event(BaseModel):
    """Something that happened to a task."""

    id: str = Field(description="The same in every answer: recognise an event by it.", examples=["evt_019ab2c4"])
    type: EventType
    created_at: datetime
    data: EventData


class EventPage(BaseModel):
    """A page of events, oldest first. It may be empty although a `next_cursor` leads to more: always continue there."""

    items: list[Event]
    next_cursor: str = Field(
        description="Send it as `after` to get the events that follow. It is never null.", examples=["q83vEjRWeJA"]
    )
