"""An attempt on its way from the claim to its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol
from uuid import UUID

from app.tasks.context import Progress

MAX_LOST: Final = 5
"""A task that was lost so often ends: it may be what kills the workers."""


class Held(Protocol):
    """The right to end one attempt."""

    @property
    def tenant_id(self) -> UUID:
        """Whose task."""

    @property
    def task_id(self) -> UUID:
        """Which task."""

    @property
    def claim_token(self) -> UUID:
        """What proves the right."""


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one attempt, held by its random token."""

    tenant_id: UUID
    task_id: UUID
    task: str
    payload: str
    """JSON, as it was stored."""
    attempt: int
    failed_attempts: int
    max_attempts: int
    claim_token: UUID
    time_limit_seconds: float
    timeout_seconds: float | None
    deadline_at: datetime
    cancel_requested: bool
    traceparent: str | None
    plan: str
    result_bytes: int | None
    """The tenant's override of its plan's limit."""
    has_webhook: bool
    """Whether the task's end is an event."""
    has_more: bool
    """Whether the tenant has more due work, and a slot for it."""


@dataclass(frozen=True, slots=True)
class Attempted:
    """What a task type needs to know to decide what follows a failed attempt."""

    task: str
    failed_attempts: int
    max_attempts: int
    times_lost: int
    """Its attempts that ended LOST, but for those that another task's code took away."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, normalised: what it does to the task, and what is kept of it."""

    status: Literal["SUCCESS", "FAILURE", "REVOKED", "RETRY", "PENDING"]
    attempt_status: Literal["SUCCESS", "FAILURE", "REVOKED", "LOST", "RETURNED"]
    result: str | None = None
    """JSON, as it is to be stored; None is null."""
    error: dict[str, Any] | None = None
    delay_seconds: float = 0
    """Before the next attempt, where there is one."""


def lost(times_lost: int) -> Outcome:
    """Return the outcome of an attempt whose process died; ``times_lost`` of the task's attempts ended so before."""
    if times_lost + 1 < MAX_LOST:
        return Outcome("PENDING", "LOST")
    message = f"{MAX_LOST} of its attempts ended with their worker's end"
    return Outcome("FAILURE", "LOST", error={"type": "WorkerLost", "message": message})


def taken_away() -> Outcome:
    """Return the outcome of an attempt whose process ends for another task's code: it is none of the five losses.

    ``store.attempted`` knows it by its error's type.
    """
    return Outcome("PENDING", "LOST", error={"type": "WorkerRestarted", "message": "its worker had to start again"})


@dataclass(frozen=True, slots=True)
class End:
    """The end of one attempt, to be written."""

    held: Held
    outcome: Outcome
    progress: Progress | None = None
    """The last that it reported."""
    seconds: float | None = None
    """What its code took of a worker; None: all the time since its claim."""
    has_webhook: bool = True
    """False where it is known that its end is no event."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What the end of an attempt has done."""

    status: str
    """The task's, after it."""
    frees_slot: bool
    """Whether the tenant had no slot free before."""
