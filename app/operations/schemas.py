"""The bodies of the calls about operations. Their docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from app.core import ids
from app.http.strict_json import Bounds
from app.identity.paging import AskedTime
from app.operations.filters import SelectingFilter
from app.operations.progress import Kind, LimitName
from app.tasks.definition import types
from app.tasks.schemas import Tag

_MAX_IDS: Final = 1_000
FILTER_BOUNDS: Final = Bounds(size=64 * 1024, max_marks=_MAX_IDS + 100)
"""Bounds of a body with a filter: its largest part is a list of ids."""

OperationState: TypeAlias = Literal["RUNNING", "SUCCEEDED", "FAILED", "CANCELLED"]


def _id(given: object) -> UUID:
    found = ids.read(given) if isinstance(given, str) else given
    if not isinstance(found, UUID):
        raise ValueError("Input should be an id")  # noqa: TRY004 pydantic reports a ValueError
    return found


_Id = Annotated[UUID, BeforeValidator(_id), WithJsonSchema({"type": "string", "format": "uuid"})]


class _Filter(SelectingFilter):
    """The tasks to act on: those that meet every condition. Only tasks that exist at the time of the request count."""

    # A misspelt condition must not be ignored: the operation would act on more tasks than its caller meant.
    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"examples": [{"task": "echo"}]})

    task: Annotated[str, Field(max_length=64, pattern=f"^{types.NAME}$")] | None = Field(
        None, description="Name of a task type."
    )
    tag: Tag | None = Field(None, description="A tag that the task has.")
    created_from: AskedTime | None = Field(None, description="Created at this time or later.")
    created_to: AskedTime | None = Field(None, description="Created before this time.")
    ids: Annotated[list[_Id], Field(min_length=1, max_length=_MAX_IDS)] | None = Field(
        None, description="These tasks. An id that is unknown, or does not meet the other conditions, is left out."
    )
    error_id: _Id | None = Field(
        None, description="Tasks whose latest failed attempt is an occurrence of this error (`/api/errors`)."
    )
    all: Literal[True] | None = Field(None, description="Send it instead of conditions to choose every task.")


class CancelFilter(_Filter):
    """The tasks to cancel: those that wait or run, and meet every condition."""

    statuses: Annotated[list[Literal["PENDING", "STARTED", "RETRY"]], Field(min_length=1, max_length=3)] | None = Field(
        None, description="Default: all three."
    )


class RetryFilter(_Filter):
    """The tasks to run again: those that have ended, and meet every condition."""

    statuses: Annotated[list[Literal["SUCCESS", "FAILURE", "REVOKED"]], Field(min_length=1, max_length=3)] | None = (
        Field(None, description="Default: FAILURE; all three if `ids` names the tasks.")
    )


class CancelTasksRequest(BaseModel):
    """A request to cancel many tasks."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filter: CancelFilter


class RetryTasksRequest(BaseModel):
    """A request to run many ended tasks again."""

    model_config = ConfigDict(extra="forbid", strict=True)

    filter: RetryFilter


class OperationAccepted(BaseModel):
    """The operation was accepted: it is stored, and runs in the background."""

    operation_id: UUID
    status: OperationState


class OperationFailure(BaseModel):
    """A failure of an operation."""

    task_id: UUID | None = Field(None, description="The task on which it could not act; null if it is about none.")
    delivery_id: UUID | None = Field(None, description="The delivery that it could not send; null if it is about none.")
    detail: str


class OperationStatus(BaseModel):
    """An operation with its progress. At the end `total` is `done` + `failed` + `skipped`, unless it was cancelled."""

    operation_id: UUID
    kind: Kind
    status: OperationState
    filter: dict[str, Any]
    total: int | None = Field(description="Matching tasks, deliveries, events or times. Null until they are counted.")
    done: int = Field(
        description="Tasks that were cancelled or asked to end, new tasks that were made, or deliveries that are sent."
    )
    failed: int = Field(description="Tasks or deliveries on which the operation could not act.")
    skipped: int = Field(description="Those that no longer matched when they were reached.")
    progress: float | None = Field(description="0 to 1. Null until all are counted.")
    errors: list[OperationFailure] = Field(description="The latest failures, at most 20, newest first.")
    waiting_for_limit: LimitName | None = Field(
        description="The limit of your plan that leaves no room for the next task. Null while it need not wait."
    )
    cancel_requested: bool
    asked_by: str = Field(description="The key's id or the member's e-mail; null if it was not resolved.")
    created_at: datetime
    finished_at: datetime | None


class OperationPage(BaseModel):
    """A page of operations, newest first."""

    items: list[OperationStatus]
    next_cursor: str | None = Field(description="Send it as `cursor` to get the next page; null on the last page.")
