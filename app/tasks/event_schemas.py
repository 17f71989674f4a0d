"""The bodies of the calls that follow one task. Their docstrings are part of the API document."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field, JsonValue


class TaskEventEntry(BaseModel):
    """Something that has happened to a task. `data` depends on the type; docs/events.md has a table."""

    type: Literal[
        "task.created",
        "attempt.started",
        "task.log",
        "task.progress",
        "attempt.ended",
        "task.succeeded",
        "task.failed",
        "task.revoked",
    ]
    created_at: datetime | None = Field(description="When it happened; null for progress.")
    data: dict[str, JsonValue] = Field(
        examples=[{"task_id": "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10", "attempt": 1, "status": "STARTED"}]
    )


class TaskEventPage(BaseModel):
    """Everything that has happened to a task after a cursor, oldest first."""

    items: list[TaskEventEntry]
    next_cursor: str | None = Field(
        description="Send it as `after` to get what follows; null after the end of the task.", examples=["q83vEjRWeJA"]
    )


class StreamToken(BaseModel):
    """A token that may only read one task."""

    access_token: str
    expires_in: int = Field(description="Seconds for which it is valid.", examples=[900])
