"""The bodies of the calls that change or erase a task. Docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.core.timestamps import Timestamp
from app.tasks.schemas import Tag, require_possible_start
from app.tasks.status import Status


class ChangeRequest(BaseModel):
    """The options to change. One that is missing stays as it is; null sets the default of a submit."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"priority": 9, "scheduled_at": None}]}
    )

    priority: Annotated[int, Field(ge=0, le=9)] | None = Field(None, description="0 to 9; null is the default, 4.")
    scheduled_at: Timestamp | None = Field(
        None, description="Earliest start of the next attempt: an RFC 3339 date-time; null is at once."
    )
    tags: Annotated[list[Tag], Field(max_length=10)] | None = Field(
        None, description="The labels, in place of those that the task has; null is none."
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "ChangeRequest":
        if not self.model_fields_set:
            message = "send at least one of priority, scheduled_at and tags"
            raise ValueError(message)
        if self.scheduled_at is not None:
            require_possible_start(self.scheduled_at)
        return self


class ErasedTask(BaseModel):
    """The rest of an erased task, in addition to its type and its times."""

    task_id: UUID
    status: Status
    erased_at: datetime


class ChangedTask(BaseModel):
    """The task as it waits now."""

    task_id: UUID
    status: Status
    priority: int
    tags: list[str]
    scheduled_at: datetime | None
    due_at: datetime = Field(description="Earliest start of the next attempt.")
