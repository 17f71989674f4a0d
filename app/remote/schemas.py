"""The bodies of the calls of tenants' own workers. Docstrings and descriptions are part of the API document."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, model_validator

from app.remote.type_schemas import LeaseSeconds
from app.tasks.definition.control import MAX_DELAY_SECONDS
from app.tasks.definition.types import NAME
from app.tasks.run.log_lines import MAX_MESSAGE as MAX_LINE
from app.tasks.run.remote_outcomes import MAX_MESSAGE, MAX_TYPE
from app.tasks.status import Status

MAX_AT_ONCE: Final = 100
MAX_HOLDING: Final = 200
MAX_WAIT: Final = 30
_MAX_LEASE: Final = 64
_MAX_LINES: Final = 100
_MAX_NOTE: Final = 256
_STRICT: Final = ConfigDict(extra="forbid", strict=True)
_EXAMPLE: Final = "lease_AZqyxHweetOadl8Max8qEEWgSRt1S06kipKtjWfBtPU"

LeaseText = Annotated[
    str, StringConstraints(min_length=1, max_length=_MAX_LEASE), Field(description="A lease.", examples=[_EXAMPLE])
]
_Name = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[^\p{C}]+$")]
_TypeName = Annotated[str, StringConstraints(max_length=64, pattern=f"^{NAME}$")]


def _require_different(leases: list[str]) -> None:
    if len(set(leases)) < len(leases):
        raise ValueError("name each lease once")


class LeaseMore(BaseModel):
    """The tasks that a worker wants to run next."""

    model_config = _STRICT

    worker: _Name = Field(description="A name of the worker's own, which stays the same while it runs.")
    version: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\p{C}]+$")] | None = Field(
        None, description="The version of the worker's code, for people."
    )
    tasks: Annotated[list[_TypeName], Field(min_length=1, max_length=MAX_AT_ONCE)] = Field(
        description="Names of task types of your own."
    )
    max: Annotated[int, Field(ge=1, le=MAX_AT_ONCE)] | None = Field(
        None, description="How many tasks to lease, at most. Default: 1."
    )
    lease_seconds: LeaseSeconds | None = Field(
        None, description="Seconds after which these leases end without a heartbeat. Default: those of the task type."
    )
    holding: Annotated[list[LeaseText], Field(max_length=MAX_HOLDING)] | None = Field(
        None, description="Leases that the worker has. Each is renewed, as by a heartbeat."
    )


class LeaseRequest(LeaseMore):
    """The tasks that a worker wants to run."""

    wait_seconds: Annotated[float, Field(ge=0, le=MAX_WAIT)] | None = Field(
        None, description="Seconds to wait for a task if none is due. Default: 0."
    )


class LeasedTask(BaseModel):
    """A task to run, and the lease that proves the right to end it."""

    lease: LeaseText
    task_id: UUID
    task: str
    attempt: int = Field(description="Number of the attempt, from 1.")
    payload: JsonValue = Field(description="The submitted payload, with the same values.")
    deadline: datetime = Field(
        description="The lease ends then. It is short at first: 15 s, until a call names the lease."
    )
    timeout_at: datetime = Field(description="The time limit of the attempt. Heartbeats do not move it.")
    tags: list[str]
    traceparent: str | None = Field(description="W3C trace context of the submit; null if it had none.")
    idempotency_key: str = Field(description="The same in every attempt: send it to a service that must act only once.")


class LeaseResponse(BaseModel):
    """The leased tasks: none if nothing is due, or the limit `leases` is reached."""

    leases: list[LeasedTask] = Field(description="The leased tasks.")
    quiet: bool = Field(description="True while the queue is paused: no task can be leased.")
    lost: list[LeaseText] = Field(description="Leases of `holding` that are not valid any more: stop their work.")


class ReportedProgress(BaseModel):
    """The progress of a task: two numbers and a text."""

    model_config = _STRICT

    done: float | None = None
    total: float | None = None
    note: Annotated[str, StringConstraints(max_length=_MAX_NOTE)] | None = None


class ReportedLine(BaseModel):
    """A line of a task's log."""

    model_config = _STRICT

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"] = "INFO"
    message: Annotated[str, StringConstraints(max_length=MAX_LINE)]
    fields: dict[str, JsonValue] | None = Field(None, description="At most 2,048 bytes of JSON.")


class LeaseBeat(BaseModel):
    """A lease whose task still runs, with what its worker reports."""

    model_config = _STRICT

    lease: LeaseText
    progress: ReportedProgress | None = None
    logs: Annotated[list[ReportedLine], Field(max_length=_MAX_LINES)] | None = Field(
        None, description="Lines for the task's log (`GET /api/tasks/{task_id}/logs`)."
    )


class HeartbeatRequest(BaseModel):
    """The leases to renew."""

    model_config = _STRICT

    leases: Annotated[list[LeaseBeat], Field(min_length=1, max_length=MAX_AT_ONCE)] = Field(
        description="The leases to renew, with what the worker reports."
    )

    @model_validator(mode="after")
    def _has_each_once(self) -> "HeartbeatRequest":
        _require_different([one.lease for one in self.leases])
        return self


class LeaseState(BaseModel):
    """The state of a lease after a heartbeat."""

    lease: LeaseText
    outcome: Literal["renewed", "lease_lost"] = Field(
        description="`lease_lost`: another worker may run the task. Stop, and do not finish it."
    )
    deadline: datetime | None = Field(description="The lease ends then; null for one that is lost.")
    cancel_requested: bool = Field(
        description="If true, stop, and finish the lease with an error: the task ends REVOKED."
    )
    logs_dropped: int = Field(description="How many of the lines were not stored, because a limit is reached.")


class HeartbeatResponse(BaseModel):
    """The state of each lease, in the order of the request."""

    leases: list[LeaseState] = Field(description="The state of each lease, in the order of the request.")
    quiet: bool = Field(description="True while the queue is paused: no task can be leased.")


class WorkerError(BaseModel):
    """The error of a failed attempt."""

    model_config = _STRICT

    type: Annotated[str, StringConstraints(min_length=1, max_length=MAX_TYPE)]
    message: Annotated[str, StringConstraints(max_length=MAX_MESSAGE)]


class LeaseEnd(BaseModel):
    """The end of an attempt: `result`, or `error`. With neither, the result is null."""

    model_config = _STRICT

    lease: LeaseText
    result: Any = Field(None, description="The result: any JSON value.")
    error: WorkerError | None = None
    retry: bool | None = Field(None, description="With `error`: false ends the task at once. Default: true.")
    retry_after_seconds: Annotated[float, Field(ge=0, le=MAX_DELAY_SECONDS)] | None = Field(
        None, description="With `error`: seconds before the next attempt. Default: the back-off of the task type."
    )

    @model_validator(mode="after")
    def _has_one_end(self) -> "LeaseEnd":
        if self.error is None and (self.retry is not None or self.retry_after_seconds is not None):
            raise ValueError("retry and retry_after_seconds belong to an error")
        if self.error is not None and self.result is not None:
            raise ValueError("send result or error, not both")
        return self


class FinishRequest(BaseModel):
    """Attempts that have ended, and the tasks that the worker wants next."""

    model_config = _STRICT

    results: Annotated[list[LeaseEnd], Field(min_length=1, max_length=MAX_AT_ONCE)] = Field(
        description="The ends of attempts."
    )
    lease_more: LeaseMore | None = Field(None, description="The tasks that the worker wants next.")

    @model_validator(mode="after")
    def _has_each_once(self) -> "FinishRequest":
        _require_different([one.lease for one in self.results])
        return self


class EndOutcome(BaseModel):
    """The outcome of the end of an attempt."""

    lease: LeaseText
    outcome: Literal["ended", "lease_lost", "invalid_result"] = Field(
        description="`ended`, also if the same call was made before. `lease_lost`: nothing was stored. "
        "`invalid_result`: the task has ended with FAILURE, because the result does not fit its schema or its limit."
    )
    status: Status | None = Field(description="The task's status now; null for a lease that is lost.")
    detail: str | None = Field(description="With `invalid_result`, what is wrong; else null.")


class FinishResponse(LeaseResponse):
    """The outcome of each end, in the order of the request, and the leases that `lease_more` asked for."""

    outcomes: list[EndOutcome] = Field(description="The outcome of each end, in the order of the request.")


class ReleaseRequest(BaseModel):
    """Leases of tasks that the worker gives back."""

    model_config = _STRICT

    leases: Annotated[list[LeaseText], Field(min_length=1, max_length=MAX_AT_ONCE)] = Field(
        description="The leases to give back."
    )

    @model_validator(mode="after")
    def _has_each_once(self) -> "ReleaseRequest":
        _require_different(self.leases)
        return self


class ReleaseOutcome(BaseModel):
    """The outcome of a release."""

    lease: LeaseText
    outcome: Literal["released", "lease_lost"] = Field(
        description="`released`: it waits again. `lease_lost`: nothing was changed."
    )


class ReleaseResponse(BaseModel):
    """The outcome for each lease, in the order of the request."""

    outcomes: list[ReleaseOutcome] = Field(description="The outcome for each lease, in the order of the request.")


class RemoteWorker(BaseModel):
    """A worker of your own, as its calls show it."""

    worker: str = Field(description="The name that it gives itself.")
    version: str | None = Field(description="The version of its code; null if it says none.")
    tasks: list[str] = Field(description="The task types that it asked for last.")
    leases: int = Field(description="How many leases it has.")
    alive: bool = Field(description="False if it has made no call for 45 s.")
    first_seen_at: datetime = Field(description="Its first call.")
    last_seen_at: datetime = Field(description="Its last call, up to 5 s late.")


class RemoteWorkerList(BaseModel):
    """Your own workers, those seen last first: at most 1,000."""

    items: list[RemoteWorker]
    next_cursor: None = None
