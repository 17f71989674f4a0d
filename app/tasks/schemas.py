"""The bodies of the task calls, as pydantic models. Their docstrings and descriptions are part of the API document."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator
from pydantic.json_schema import SkipJsonSchema

from app.core.timestamps import Timestamp
from app.http.problem import FieldError
from app.http.strict_json import MAX_DEPTH, Bounds
from app.tasks.after import MAX_AFTER, AfterItem, WaitingReason
from app.tasks.definition.control import MAX_DELAY_SECONDS
from app.tasks.metadata import Metadata
from app.tasks.status import Status
from app.webhooks.history.schemas import DeliveryOfTask

DEFAULT_TASK: Final = "long_task"
DEFAULT_PRIORITY: Final = 4
MAX_BATCH: Final = 1_000
# The object and the list around the tasks of a batch take two levels.
BATCH_BOUNDS: Final = Bounds(size=1024 * 1024, depth=MAX_DEPTH + 2)
# A time in the past means now, but the first days of the calendar do not exist at every UTC offset.
_FIRST_YEAR: Final = 1970
_EXAMPLE_ID: Final = "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10"


Tag = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\p{C}]+$")]


class SubmitOptions(BaseModel):
    """The options of a submit, in addition to its task type and payload."""

    model_config = ConfigDict(extra="forbid", strict=True)

    # A null member means the same as a missing one, because many clients send all of their members. The fingerprint of
    # an Idempotency-Key follows the same rule (``without_nulls`` in app/tasks/submit/validation.py).
    priority: Annotated[int, Field(ge=0, le=9)] | None = Field(
        DEFAULT_PRIORITY, description="0 to 9; 9 is the most urgent. A minute of waiting counts as much as one step."
    )
    delay_seconds: float | None = Field(
        None, ge=0, le=MAX_DELAY_SECONDS, description="Earliest start, in seconds from now."
    )
    scheduled_at: Timestamp | None = Field(
        None,
        description="Earliest start: an RFC 3339 date-time with its UTC offset; not together with `delay_seconds`.",
    )
    expires_seconds: float | None = Field(
        None, gt=0, le=MAX_DELAY_SECONDS, description="A task that has not started within these seconds ends REVOKED."
    )
    max_attempts: int | None = Field(None, ge=1, le=25, description="At most the task type's own value.")
    timeout_seconds: float | None = Field(
        None, gt=0, le=86_400, description="Seconds for which one attempt may run, at most the task type's own limit."
    )
    tags: Annotated[list[Tag], Field(max_length=10)] | None = Field(
        default_factory=list, description="Labels by which you can find the task in lists."
    )
    metadata: Metadata | None = Field(
        None, description="Texts of your own, by key, that stay with the task. Lists can be filtered by one of them."
    )
    after: Annotated[list[AfterItem], Field(max_length=MAX_AFTER)] | None = Field(
        default_factory=list,
        description="Tasks of yours to wait for: ids, or objects that say how the task has to end. If one of them ends "
        "otherwise, this task ends REVOKED with `DependencyFailed`. Not in a batch.",
    )
    webhook_url: str | None = Field(
        None, max_length=2048, description="An https URL that receives the task's end as a signed event (see webhooks)."
    )

    @model_validator(mode="after")
    def _has_one_start(self) -> "SubmitOptions":
        if self.scheduled_at is None:
            return self
        if self.delay_seconds is not None:
            message = "send delay_seconds or scheduled_at, not both"
            raise ValueError(message)
        require_possible_start(self.scheduled_at)
        return self


def require_possible_start(scheduled_at: datetime) -> None:
    """Raise ``ValueError`` for a time at which no task may start."""
    if scheduled_at.year < _FIRST_YEAR:
        message = f"scheduled_at is before {_FIRST_YEAR}"
        raise ValueError(message)
    if scheduled_at > datetime.now(UTC) + timedelta(seconds=MAX_DELAY_SECONDS):
        message = "scheduled_at is more than a year ahead"
        raise ValueError(message)


class SubmitRequest(SubmitOptions):
    """A submit whose payload is not yet validated by the task type's model."""

    task: Annotated[str, Field(max_length=64)] | None = Field(
        DEFAULT_TASK, description="Name of a task type (see `GET /api/task-types`)."
    )
    # Any, because the body was parsed strictly before: to check that each value is JSON would take most of the time.
    payload: Any = Field(default_factory=dict)


class SubmitResponse(BaseModel):
    """The task was accepted: it is stored and will finish."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"task_id": _EXAMPLE_ID, "status": "PENDING"}]})

    task_id: UUID
    status: Status


class BatchRequest(BaseModel):
    """Tasks to submit together. A task that is refused does not affect the others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    # Each item is validated as a SubmitRequest by itself; app/tasks/document.py says so in the API document.
    tasks: list[Any] = Field(min_length=1, max_length=MAX_BATCH)


class ItemProblem(BaseModel):
    """The reason why a task of a batch was refused. It is the error that a single submit would get."""

    code: str
    status: int
    title: str
    detail: str = Field(description="What you can do about the error. It never repeats the input.")
    errors: list[FieldError] | SkipJsonSchema[None] = Field(None, description="With `invalid_request`: its faults.")
    retry_after: int | SkipJsonSchema[None] = Field(None, description="With a quota: seconds to wait.")


class RefusedTask(BaseModel):
    """A task of a batch that was not stored."""

    error: ItemProblem


class BatchResponse(BaseModel):
    """The outcome of each task, in the order of the request."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "outcomes": [
                        {"task_id": _EXAMPLE_ID, "status": "PENDING"},
                        {
                            "error": {
                                "code": "invalid_request",
                                "status": 422,
                                "title": "Invalid request",
                                "detail": "The request is not valid. Correct each place that errors names.",
                                "errors": [{"pointer": "#/tasks/1/task", "detail": "This task type is unknown."}],
                            }
                        },
                    ]
                }
            ]
        }
    )

    outcomes: list[SubmitResponse | RefusedTask]


class RetryResponse(SubmitResponse):
    """The request was accepted again, as a new task with its own id."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"task_id": _EXAMPLE_ID, "status": "PENDING", "retry_of": "019ab2c3-1b2d-7c33-9a51-0f5b6c1de001"}
            ]
        }
    )

    retry_of: UUID


class CancelResponse(BaseModel):
    """The effect of the cancel. A REVOKED task has ended; a STARTED one still runs, and ends within 5 s."""

    task_id: UUID
    status: Status
    cancel_requested: Literal[True] = True


class Progress(BaseModel):
    """The latest progress that the task's code reported. NaN and infinity are null: JSON has no such numbers."""

    done: float | None
    total: float | None
    note: str | None


class TaskError(BaseModel):
    """The error of a failed attempt."""

    type: str
    message: str
    attempt: int


ErrorId: TypeAlias = Annotated[
    UUID | None,
    Field(
        description="The error of which the latest failed attempt is an occurrence (`/api/errors`); null if none has "
        "failed, and for a second or two after it has."
    ),
]


class TaskStatus(BaseModel):
    """The current state of a task."""

    task_id: UUID
    task: str
    status: Status
    attempt: int = Field(description="Number of the latest attempt; 0 before the first one.")
    max_attempts: int
    progress: Progress | None
    waiting_reason: WaitingReason | None = Field(
        description="Why it waits; null unless the status is PENDING or RETRY."
    )
    cancel_requested: bool
    error: TaskError | None
    created_at: datetime
    due_at: datetime = Field(description="Earliest start of the next attempt.")
    started_at: datetime | None
    finished_at: datetime | None
    erased_at: datetime | None = Field(description="When you erased the task and its data; null if you did not.")


class Attempt(BaseModel):
    """One run of a task. LOST and RETURNED attempts were taken away by the platform, and do not count as failed."""

    attempt: int
    status: Literal["STARTED", "SUCCESS", "FAILURE", "REVOKED", "LOST", "RETURNED"]
    error: TaskError | None
    started_at: datetime
    finished_at: datetime | None


class TaskAndAttempts(TaskStatus):
    """Everything about a task except its payload and its result."""

    error_id: ErrorId
    priority: int
    tags: list[str]
    metadata: dict[str, str]
    scheduled_at: datetime | None
    expires_at: datetime | None
    timeout_seconds: float | None
    retry_of: UUID | None
    webhook_url: str | None
    attempts: list[Attempt]
    webhooks: list[DeliveryOfTask] = Field(
        description="What became of its events: the latest deliveries, newest first, at most 100. "
        "`GET /api/webhooks/deliveries?task_id=` has all of them."
    )
    blocked_by: list[UUID] = Field(
        description="With `waiting_reason` `DEPENDENCIES`: the tasks that it waits for and that have not ended, oldest "
        "first, at most 100."
    )
    position: int | None = Field(description="Of a due task: 1 for the next one to start; null beyond 1,000.")
    estimated_start_at: datetime | None = Field(
        description="When it starts if tasks end as in the last 5 minutes; null without ends in that time."
    )


class TaskDetail(TaskAndAttempts):
    """Everything about a task. Its result is there if it was asked for."""

    payload: JsonValue = Field(description="The submitted payload, with the same values.")
    result: JsonValue = Field(
        None, description="With `include=result` only: the value that the task returned; null if it has none."
    )


class TaskResult(BaseModel):
    """The outcome of a task that has ended."""

    task_id: UUID
    status: Status
    result: JsonValue = Field(description="The value that the task returned; null unless the status is SUCCESS.")
    error: TaskError | None


class ResultPending(BaseModel):
    """The task has not ended yet. Ask again, or use `wait` to get the answer as soon as it ends."""

    detail: Literal["Result not available yet"] = "Result not available yet"
    task_id: UUID
    status: Status


class TaskTypeInfo(BaseModel):
    """A task type, with the JSON schemas of its payload and its result."""

    name: str
    summary: str
    pool: Literal["prefork", "asyncio", "http", "remote"]
    max_attempts: int
    time_limit: float = Field(description="Seconds for which one attempt may run.")
    payload_schema: dict[str, Any]
    result_schema: dict[str, Any]


class TaskTypeList(BaseModel):
    """Every task type that this service runs, then those of your own."""

    items: list[TaskTypeInfo]
    next_cursor: None = None
