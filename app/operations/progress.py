"""The plain data of an operation that runs: where it stands, and what one step of it has done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias
from uuid import UUID

from app.tenants.plans import Limits

Kind: TypeAlias = Literal[
    "schedules.backfill",
    "tasks.cancel",
    "tasks.retry",
    "webhooks.recover",
    "webhooks.replay_missing",
    "webhooks.resend",
]
LimitName: TypeAlias = Literal["backlog", "tasks_per_day", "tasks_per_month"]
MAX_ERRORS: Final = 20
"""Failures that an operation keeps: the latest ones."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A row of ``operation`` as the process that runs it needs it."""

    tenant_id: UUID
    id: UUID
    kind: Kind
    filter: Mapping[str, Any]
    cursor: UUID
    is_counted: bool
    waiting_for_limit: LimitName | None
    cancel_requested: bool
    is_overdue: bool
    """It has run longer than any operation may."""
    created_at: datetime
    limits: Limits
    """The limits of its tenant."""


class StepResult(NamedTuple):
    """The outcome of one step: what it has done with the tasks between the operation's cursor and ``to``."""

    to: UUID | None
    """The new cursor; None if nothing is left."""
    total: int = 0
    """Tasks that were only counted."""
    done: int = 0
    failed: int = 0
    skipped: int = 0
    errors: Sequence[Mapping[str, str | None]] = ()


class Waits(NamedTuple):
    """A step did nothing, because a limit leaves no room."""

    limit: LimitName
    seconds: float
    """Seconds until the next attempt is worth it."""


class Act(Protocol):
    """One kind of operation. Each call is one step, and records its progress in the transaction of what it does."""

    async def count(self, standing: Standing, limit: int) -> None:
        """Count the matching objects of the next page, of up to ``limit`` objects that are read."""

    async def act(self, standing: Standing, *, one_only: bool) -> Waits | None:
        """Act on the next objects. With ``one_only`` act on one: the last step with several has failed."""

    async def give_up(self, standing: Standing, reason: str) -> None:
        """Record that the next object cannot be acted on, and go on after it."""
