"""The log of a task as the API answers it. The docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, Field


class TaskLogEntry(BaseModel):
    """A line that the task's code has logged."""

    attempt: int = Field(description="The attempt that logged it.")
    seq: int = Field(description="Number of the line within its attempt, from 1.")
    at: datetime
    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    message: str
    fields: dict[str, Any] | None = Field(
        description="What the code gave in addition to the message; null for nothing."
    )


class TaskLogPage(BaseModel):
    """Lines of a task's log, oldest first."""

    items: list[TaskLogEntry]
    next_cursor: str | None = Field(
        description="Send it as `after` to read on, also where there are no further lines yet. "
        "Null once the task has ended and all its lines were read."
    )
