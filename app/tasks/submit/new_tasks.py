"""The plain data of a submit: the tasks to store, the idempotency key, and statements for the same transaction."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from app.tenants.plans import Limits


class NewTask(NamedTuple):
    """A task to store: one row for ``store.accept_any_tenant``. ``payload``, ``tags`` and ``metadata`` are JSON text.

    ``…_seconds`` count from the database's current time. An option that was not given is None. The optional fields
    come last, and the first eight are never None (``store._REQUIRED_COLUMNS``).
    """

    # The order and the names are those of the SQL functions tasks_accept and task_accept.
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
    metadata: str | None

    @property
    def is_due(self) -> bool:
        """Return whether the task may start at once: it has no scheduled time, or one that has passed."""
        # By this process's clock: it decides only whether to offer a ticket. The database decides when a task is due.
        if self.scheduled_at is not None:
            return self.scheduled_at <= datetime.now(UTC)
        return self.delay_seconds is None


class InvalidTask(NamedTuple):
    """A task of a batch that is not stored because it is invalid."""

    detail: str
    errors: Sequence[Mapping[str, Any]] = ()
    """The task's first faults, each with a ``pointer`` relative to the task and a ``detail``."""


Need: TypeAlias = Literal["success", "failure", "finished"]
"""The end that another task waits for. ``failure`` is any end but SUCCESS."""


class Dependency(NamedTuple):
    """One task waits for another, which is an older task or one of the same submission."""

    downstream_id: UUID
    """The new task, which waits."""
    upstream_id: UUID
    when: Need = "success"


_NONE_INVALID: Final[Mapping[int, InvalidTask]] = MappingProxyType({})


class TaskSpecs(NamedTuple):
    """The tasks of one request: they belong to one tenant, stand oldest first, and are stored in one transaction."""

    tenant_id: UUID
    limits: Limits
    tasks: Sequence[NewTask]
    invalid: Mapping[int, InvalidTask] = _NONE_INVALID
    """Tasks that cannot be stored, by their place in the request (from 0)."""
    dependencies: Sequence[Dependency] = ()
    """The tasks that they wait for. Then they are stored as a whole or not at all, in a transaction of their own."""

    @property
    def asked(self) -> int:
        """Return how many tasks were requested, including invalid ones."""
        return len(self.tasks) + len(self.invalid)


class Idempotency(NamedTuple):
    """The caller's key, and the SHA-256 of the request, which shows whether a repeat has another body."""

    key: str
    fingerprint: bytes


class Statement(NamedTuple):
    """An SQL statement for the transaction that stores the tasks. It runs as the role tq_submit."""

    sql: str
    arguments: Sequence[Any] = ()
    runs_first: bool = False
    """Run it before the tasks are counted and stored: for rows that are locked before the ledger."""


class Submission(NamedTuple):
    """One caller's request to store tasks, with everything that the group commit needs."""

    specs: TaskSpecs
    idempotency: Idempotency | None = None
    also: Sequence[Statement] = ()

    @property
    def id(self) -> UUID:
        """Return the id of the first task. It is stored if any task of the submission is."""
        return self.specs.tasks[0].id
