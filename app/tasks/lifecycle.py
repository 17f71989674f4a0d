"""What changes a task's status: claim, finish, and the end of one that waits. Every change is a compare-and-set."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID

from app.core.errors import Unavailable
from app.db import Database
from app.tasks import store

_log = logging.getLogger(__name__)

_FINISH_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to run one attempt, held by its random token."""

    tenant_id: UUID
    task_id: UUID
    task: str
    payload: Any
    attempt: int
    failed_attempts: int
    max_attempts: int
    claim_token: UUID
    time_limit_seconds: float
    timeout_seconds: float | None
    deadline_at: datetime
    cancel_requested: bool
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended, normalised: what it does to the task, and what is kept of it."""

    status: Literal["SUCCESS", "FAILURE", "REVOKED", "RETRY", "PENDING"]
    attempt_status: Literal["SUCCESS", "FAILURE", "REVOKED", "LOST", "RETURNED"]
    result: Any = None
    error: dict[str, Any] | None = None
    delay_seconds: float = 0
    """Before the next attempt, where there is one."""


async def claim(worker: Database, tenant_id: UUID, *, pool: str, worker_id: UUID, limit: int = 1) -> list[Claim]:
    """Take up to ``limit`` of the tenant's due tasks; none when it has none, no free slot, or is paused.

    Raises ``Unavailable``.
    """
    async with worker.connection() as connection:
        rows = await store.claim(connection, tenant_id, pool=pool, worker_id=worker_id, limit=limit)
    return [Claim(tenant_id=tenant_id, **dict(row)) for row in rows]


async def finish(worker: Database, claim: Claim, outcome: Outcome, progress: Any = None) -> bool:
    """Write how the attempt ended; True when it was this call, or an earlier try of it, that ended it.

    Tried again for as long as Postgres is away: the token makes a repeat harmless, and an attempt that has been
    taken away meanwhile changes nothing (False).
    """
    tries = 0
    while True:
        try:
            return await _finish_once(worker, claim, outcome, progress) != "fenced"
        except Unavailable:
            pause = _FINISH_PAUSES[min(tries, len(_FINISH_PAUSES) - 1)]
            _log.warning("finish delayed, Postgres is away", extra={"task_id": str(claim.task_id), "pause_s": pause})
            await asyncio.sleep(pause)
            tries += 1


async def _finish_once(worker: Database, claim: Claim, outcome: Outcome, progress: Any) -> str:
    async with worker.transaction(claim.tenant_id) as connection:
        return await store.finish(
            connection,
            claim.tenant_id,
            claim.task_id,
            claim_token=claim.claim_token,
            status=outcome.status,
            attempt_status=outcome.attempt_status,
            result=outcome.result,
            error=outcome.error,
            progress=progress,
            delay=timedelta(seconds=outcome.delay_seconds),
        )


async def expire(worker: Database, tenant_id: UUID, task_id: UUID) -> bool:
    """End a waiting task that was to start by now; False when it was claimed or ended first."""
    async with worker.transaction(tenant_id) as connection:
        return await store.revoke_expired(connection, tenant_id, task_id)
