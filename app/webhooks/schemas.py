"""The bodies of the events that are sent to a webhook_url and to endpoints."""

from datetime import datetime
from typing import Annotated, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field, JsonValue, TypeAdapter
from pydantic.json_schema import SkipJsonSchema

from app.events.schemas import EndpointEventData, EventError, KeyEventData, QuotaEventData, ScheduleEventData


class _TaskFacts(BaseModel):
    task_id: UUID
    task: str = Field(description="The task type.")
    attempt_count: int = Field(description="Attempts that were begun.")
    tags: list[str]


class TaskSucceededData(_TaskFacts):
    """The task, with what it returned."""

    status: Literal["SUCCESS"]
    result: JsonValue = Field(description="What the task returned; null if it was left out.")
    result_omitted: Literal[True] | SkipJsonSchema[None] = Field(
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


class TaskRetryingData(_TaskFacts):
    """The task, with the error of the attempt that failed."""

    status: Literal["RETRY"]
    error: EventError | None


class TaskRetrying(BaseModel):
    """An attempt of a task has failed, and another one follows. Sent to endpoints only."""

    type: Literal["task.retrying"]
    timestamp: datetime = Field(description="When the attempt failed.")
    data: TaskRetryingData


class EndpointFailing(BaseModel):
    """Deliveries to an endpoint fail: one has used up its attempts, or all of them have failed for an hour."""

    type: Literal["endpoint.failing"]
    timestamp: datetime
    data: EndpointEventData


class EndpointDisabled(BaseModel):
    """An endpoint was disabled. Its events become deliveries that are SKIPPED."""

    type: Literal["endpoint.disabled"]
    timestamp: datetime
    data: EndpointEventData


class QuotaReached(BaseModel):
    """80 or 100 percent of the quota of a day or month are used."""

    type: Literal["quota.reached"]
    timestamp: datetime
    data: QuotaEventData


class KeyExpiring(BaseModel):
    """An API key expires within 7 days."""

    type: Literal["key.expiring"]
    timestamp: datetime
    data: KeyEventData


class ScheduleSkipped(BaseModel):
    """A schedule made no task at one of its times, or at several."""

    type: Literal["schedule.skipped"]
    timestamp: datetime
    data: ScheduleEventData


WebhookEvent: TypeAlias = Annotated[
    TaskSucceeded
    | TaskFailed
    | TaskRevoked
    | TaskRetrying
    | EndpointFailing
    | EndpointDisabled
    | QuotaReached
    | KeyExpiring
    | ScheduleSkipped,
    Field(discriminator="type"),
]
"""Any event that an endpoint may get."""

WEBHOOK_EVENT: Final[TypeAdapter[WebhookEvent]] = TypeAdapter(WebhookEvent)
