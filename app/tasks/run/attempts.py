"""The plain data of an attempt, from its claim to its end."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

from app.tasks.definition.context import Progress


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
    """The right to run one attempt. The random claim token proves it."""

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
    """True if the task has a webhook_url."""
    has_more: bool
    """True if the tenant has more due work, and a slot for it."""


@dataclass(frozen=True, slots=True)
class RetryState:
    """Counts of a task's earlier attempts. They decide what follows a failed or lost attempt."""

    task: str
    failed_attempts: int
    max_attempts: int
    times_lost: int
    """Its attempts that ended LOST, except those whose worker ended because of another task's code."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The normalised outcome of an attempt: the task's next status, and the values to store."""

    status: Literal["SUCCESS", "FAILURE", "REVOKED", "RETRY", "PENDING"]
    attempt_status: Literal["SUCCESS", "FAILURE", "REVOKED", "LOST", "RETURNED"]
    result: str | None = None
    """JSON, as it is to be stored; None is null."""
    error: dict[str, Any] | None = None
    delay_seconds: float = 0
    """Seconds until the next attempt may start, if there is one."""

    @property
    def has_failed(self) -> bool:
        """Return whether its error is an occurrence of an error that its tenant sees (``/api/errors``)."""
        return self.status in {"FAILURE", "RETRY"}


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The end of one attempt, to be written."""

    ref: AttemptRef
    outcome: Outcome
    progress: Progress | None = None
    """The last progress that its code reported."""
    seconds: float | None = None
    """Seconds for which its code ran; None counts all the time since its claim."""
    has_webhook: bool = True
    """False if it is known that the task has no webhook_url."""


@dataclass(frozen=True, slots=True)
class FinishResult:
    """The effect of the end of an attempt on its task and its tenant."""

    status: str
    """The task's status after it."""
    frees_slot: bool
    """True if the tenant had no slot free before."""
    has_webhook: bool = False
    """True if the task has ended, and a webhook may have to be sent."""

    @property
    def needs_ticket(self) -> bool:
        """Tell whether a waiting task has no ticket: it waited for this slot, or this attempt was given back."""
        return self.frees_slot or self.status == "PENDING"
