"""Claim due tasks, and read how many attempts a claimed one has had."""

from collections.abc import Mapping
from uuid import UUID

from app.core import retry
from app.core.errors import Unavailable
from app.db import Database
from app.tasks import store
from app.tasks.run import end
from app.tasks.run.attempts import AttemptRef, Claim, RetryState


async def claim_each(worker: Database, wanted: Mapping[UUID, int], *, pool: str, worker_id: UUID) -> list[Claim]:
    """Take up to so many due tasks of each tenant, in one round trip; none of one without due work, a slot, or paused.

    Raises ``Unavailable``.
    """
    async with worker.statement() as connection:
        rows = await store.claim_any_tenant(connection, wanted, pool=pool, worker_id=worker_id)
    return [Claim(**row) for row in rows]


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
