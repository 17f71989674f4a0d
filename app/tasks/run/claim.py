"""Claim due tasks, find what a claim took whose answer was lost, and read how many attempts a claimed task has had."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID, uuid4

from app.core import retry
from app.core.errors import Unavailable
from app.db import Database
from app.tasks import store
from app.tasks.run import end
from app.tasks.run.attempts import AttemptRef, Claim, RetryState


@dataclass(frozen=True, slots=True)
class UnansweredClaim:
    """A claim that was sent and not answered. Postgres may have completed it, or complete it at any later time."""

    tenant_ids: tuple[UUID, ...]
    worker_id: UUID
    key: UUID
    """Its first half is the first half of each token that the claim gives."""


@dataclass(frozen=True, slots=True)
class UnansweredAttempt:
    """An attempt that such a claim has begun. No worker knows of it."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID


def _ignore(_: UnansweredClaim) -> None:
    return


async def claim_each(
    worker: Database,
    wanted: Mapping[UUID, int],
    *,
    pool: str,
    worker_id: UUID,
    on_unanswered: Callable[[UnansweredClaim], None] = _ignore,
) -> list[Claim]:
    """Take up to so many due tasks of each tenant, in one round trip; none of one without due work, a slot, or paused.

    Raises ``Unavailable``. If the claim was sent by then, it first calls ``on_unanswered``.
    """
    key, is_sent = uuid4(), False
    try:
        async with worker.statement() as connection:
            is_sent = True
            rows = await store.claim_any_tenant(connection, wanted, pool=pool, worker_id=worker_id, key=key)
    except Unavailable:
        if is_sent:
            on_unanswered(UnansweredClaim(tuple(wanted), worker_id, key))
        raise
    return [Claim(**row) for row in rows]


async def taken_by(worker: Database, claim: UnansweredClaim) -> list[UnansweredAttempt]:
    """Return the running attempts that an unanswered claim has begun by now. Raises ``Unavailable``."""
    async with worker.transaction(*claim.tenant_ids) as connection:
        rows = await store.begun_by_claim_any_tenant(connection, claim.worker_id, claim.key)
    return [UnansweredAttempt(**row) for row in rows]


async def retry_state(worker: Database, attempt: AttemptRef) -> RetryState | None:
    """Return the earlier attempts of a running attempt's task, counted; None if the attempt was taken away.

    Repeats the query for as long as Postgres is unavailable.
    """
    return await retry.until_back(lambda: look(worker, attempt), Unavailable, end.warn)


async def look(worker: Database, attempt: AttemptRef) -> RetryState | None:
    """Return the same as ``retry_state``, with one query. Raises ``Unavailable``."""
    async with worker.transaction(attempt.tenant_id) as connection:
        row = await store.retry_state(connection, attempt.tenant_id, attempt.task_id, attempt.claim_token)
    return RetryState(**dict(row)) if row else None
