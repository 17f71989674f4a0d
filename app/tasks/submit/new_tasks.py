"""The plain data of a submit: the tasks to store, the idempotency key, statements for the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.tenants.plans import Limits


class NewTask(NamedTuple):
    """A task as it is to be stored, a row of ``store.accept_any_tenant``. ``payload`` and ``tags`` are JSON text.

    Times are seconds from the database's now. Options that were not given are ``None``; they are the last fields.
    """

    tenant_id: UUID
    id: UUID
    task: str
    pool: str
    priority: int
    payload: str
    max_attempts: int
    time_limit_seconds: float
    delay_seconds: float | None
    scheduled_at: datetime | None
    expires_seconds: float | None
    timeout_seconds: float | None
    tags: str | None
    webhook_url: str | None
    retry_of: UUID | None
    traceparent: str | None

    @property
    def is_due(self) -> bool:
        """Tell whether it may start as soon as it is stored: it has no scheduled time, or one that has passed."""
        if self.scheduled_at is not None:
            return self.scheduled_at <= datetime.now(UTC)
        return self.delay_seconds is None


class InvalidTask(NamedTuple):
    """A task of a batch that is not stored because it is invalid."""

    detail: str
    errors: Sequence[Mapping[str, Any]] = ()
    """Its faults, the first ones; each pointer is relative to the task."""


_NONE_INVALID: Final[Mapping[int, InvalidTask]] = MappingProxyType({})


class TaskSpecs(NamedTuple):
    """The tasks that a caller asks for together: of one tenant, oldest first, stored in one transaction."""

    tenant_id: UUID
    limits: Limits
    tasks: Sequence[NewTask]
    invalid: Mapping[int, InvalidTask] = _NONE_INVALID
    """Tasks that cannot be stored, by their place among all that was asked for."""

    @property
    def asked(self) -> int:
        """Return how many tasks were requested, including invalid ones."""
        return len(self.tasks) + len(self.invalid)


class Idempotency(NamedTuple):
    """The caller's key, and the SHA-256 by which a repeat with another body is recognised."""

    key: str
    fingerprint: bytes


class Statement(NamedTuple):
    """SQL that is executed in the transaction which stores the tasks; it runs as tq_submit."""

    sql: str
    arguments: Sequence[Any] = ()
    runs_first: bool = False
    """Before the tasks are counted and stored: for rows that are locked before the ledger (schedule, unique_key)."""


class Submission(NamedTuple):
    """The request of one caller to store tasks, with everything that the group commit needs."""

    specs: TaskSpecs
    idempotency: Idempotency | None = None
    also: Sequence[Statement] = ()

    @property
    def id(self) -> UUID:
        """The id of its first task, which is stored if any of them is."""
        return self.specs.tasks[0].id
