"""New tasks on their way to the store: what one request wants to be stored, and how much of it is."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from app.quotas.schemas import Grant
from app.tenants.plans import Limits


class NewTask(NamedTuple):
    """A task as it is to be stored, a row of ``store.accept_any_tenant``. ``payload`` and ``tags`` are JSON text.

    Times are seconds from the database's now. What was not asked for is ``None``, and comes after what always is.
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
        """Whether it may start as soon as it is stored; a time that has passed is as good as none."""
        if self.scheduled_at is not None:
            return self.scheduled_at <= datetime.now(UTC)
        return self.delay_seconds is None


class Share(NamedTuple):
    """How many of a submission's tasks are stored, from the first one on, and what the ledger says of its tenant."""

    granted: int
    grant: Grant


class Submission(NamedTuple):
    """What one request wants to be stored, in one transaction: tasks of one tenant, oldest first."""

    tenant_id: UUID
    limits: Limits
    tasks: Sequence[NewTask]
    idempotency_key: str | None = None
    fingerprint: bytes = b""
    answer: Callable[[Share], str] | None = None
    """Returns what is kept with the key, for a replay; ``None`` where the key's task says all."""

    @property
    def id(self) -> UUID:
        """The id of its first task, which is stored if any of them is."""
        return self.tasks[0].id
