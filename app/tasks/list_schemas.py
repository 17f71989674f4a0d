"""The bodies of the list of tasks. Docstrings and descriptions are part of the API document."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from app.tasks.schemas import ErrorId, Progress, TaskError
from app.tasks.status import Status


class TaskSummary(BaseModel):
    """A task in a list."""

    task_id: UUID
    task: str
    status: Status
    priority: int
    tags: list[str]
    metadata: dict[str, str]
    attempt: int
    progress: Progress | None
    error: TaskError | None = Field(description="The error of the latest failure; null if none has failed.")
    error_id: ErrorId
    created_at: datetime
    started_at: datetime | None = Field(description="Start of the first attempt; null before it.")
    finished_at: datetime | None
    erased_at: datetime | None = Field(description="When you erased the task; null if you did not.")
    duration_seconds: float | None = Field(
        description="From the start of the first attempt to the end of the task; null before its end."
    )


class TaskPage(BaseModel):
    """A page of tasks, newest first unless `sort` says otherwise."""

    items: list[TaskSummary]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")
