"""An attempt on its way from the claim to its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from app.tasks.context import Progress


class AttemptRef(Protocol):
    """An attempt, and the token that proves the right to end it."""

    @property
    def tenant_id(self) -> UUID:
        """Return the tenant of its task."""

    @property
    def task_id(self) -> UUID:
        """Return the id of its task."""

    @property
    def claim_token(self) -> UUID:
        """Return the random token that the claim was given."""


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
class RetryState:
    """How often a task was tried: decides what follows a failed or lost attempt."""

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


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The end of one attempt, to be written."""

    ref: AttemptRef
    outcome: Outcome
    progress: Progress | None = None
    """The last that it reported."""
    seconds: float | None = None
    """What its code took of a worker; None: all the time since its claim."""
    has_webhook: bool = True
    """False where it is known that its end is no event."""


@dataclass(frozen=True, slots=True)
class FinishResult:
    """What the end of an attempt has done."""

    status: str
    """The task's, after it."""
    frees_slot: bool
    """Whether the tenant had no slot free before."""

    @property
    def needs_ticket(self) -> bool:
        """Whether a task waits that has no ticket: it waited for this very slot, or was given back."""
        return self.frees_slot or self.status == "PENDING"
