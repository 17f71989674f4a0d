"""The bodies of the events that are sent to a webhook_url."""

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue

from app.events.schemas import EventError


class _TaskFacts(BaseModel):
    task_id: UUID
    task: str = Field(description="The task type.")
    attempt_count: int = Field(description="Attempts that were begun.")
    tags: list[str]


class TaskSucceededData(_TaskFacts):
    """The task, with what it returned."""

    status: Literal["SUCCESS"]
    result: JsonValue = Field(description="What the task returned; null if it was left out.")
    result_omitted: Literal[True] | None = Field(
        None, description="Present if the result has more than 64 KiB of JSON: fetch it by the task's id."
    )


class TaskFailedData(_TaskFacts):
    """The task, with the error of its last attempt."""

    status: Literal["FAILURE"]
    error: EventError | None


class TaskRevokedData(_TaskFacts):
    """The task, with the reason where there is one."""

    status: Literal["REVOKED"]
    error: EventError | None


class TaskSucceeded(BaseModel):
    """A task has ended with a result."""

    type: Literal["task.succeeded"]
    timestamp: datetime = Field(description="When the task ended.")
    data: TaskSucceededData


class TaskFailed(BaseModel):
    """A task has failed for good."""

    type: Literal["task.failed"]
    timestamp: datetime = Field(description="When the task ended.")
    data: TaskFailedData


class TaskRevoked(BaseModel):
    """A task was cancelled, or not started in time."""

    type: Literal["task.revoked"]
    timestamp: datetime = Field(description="When the task ended.")
    data: TaskRevokedData


TaskEvent: TypeAlias = Annotated[TaskSucceeded | TaskFailed | TaskRevoked, Field(discriminator="type")]
"""Any event of a task."""
