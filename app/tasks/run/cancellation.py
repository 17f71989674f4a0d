"""Cancelling a task for its tenant, and reading which running attempts a worker must end."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Literal, TypeAlias
from uuid import UUID

from redis.asyncio import Redis

from app.core.errors import IllegalState, NotFound
from app.db import Connection, Database
from app.tasks import store
from app.tasks.run import after_commit, end
from app.tasks.run.attempts import AttemptRef
from app.tasks.run.end import ManyCancelled
from app.tasks.status import Status

# Seconds that the cancelling request waits for Redis. Without the message, workers find the cancel when they next ask
# Postgres.
_WAKE_TIMEOUT: Final = 0.25

Verdict: TypeAlias = Literal["cancelled", "fenced"]


async def cancel(api: Database, redis: Redis, tenant_id: UUID, task_id: UUID) -> Status:
    """End a waiting task (REVOKED), or ask a running one to end (STARTED, for up to 5 s).

    Raises ``NotFound``, ``IllegalState`` for a task that has succeeded or failed, ``Unavailable``.
    """
    status = await end.cancel(api, tenant_id, task_id)
    if status is None:
        raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
    if status in {Status.SUCCESS, Status.FAILURE}:
        raise IllegalState("The task has ended. Only one that waits or runs can be cancelled.")
    if status == Status.STARTED:
        await after_commit.ask_workers_to_end(redis, [task_id], seconds=_WAKE_TIMEOUT)
    else:
        await after_commit.wake(redis, [(tenant_id, task_id)], webhooks=[tenant_id], seconds=_WAKE_TIMEOUT)
    return Status(status)


async def cancel_many(
    worker: Database,
    redis: Redis,
    tenant_id: UUID,
    task_ids: Sequence[UUID],
    *,
    asks_running: bool,
    settle: Callable[[Connection, ManyCancelled], Awaitable[None]],
) -> None:
    """Cancel many tasks in one transaction, then wake those who wait for them (``end.cancel_many`` has the details)."""
    done = await end.cancel_many(worker, tenant_id, task_ids, asks_running=asks_running, settle=settle)
    if done.revoked:
        await after_commit.wake(redis, [(tenant_id, task_id) for task_id in done.revoked], webhooks=[tenant_id])
    if done.asked:
        await after_commit.ask_workers_to_end(redis, list(done.asked))


async def verdicts(worker: Database, running: Sequence[AttemptRef]) -> dict[UUID, Verdict]:
    """Return by claim token which running attempts are to end. Raises ``Unavailable``.

    ``cancelled``: the tenant has cancelled the task; ``fenced``: the attempt was taken away, or has ended.
    """
    # An idle worker asks every few seconds. It costs Postgres nothing then.
    if not running:
        return {}
    async with worker.transaction(*{attempt.tenant_id for attempt in running}) as connection:
        held = await store.held_any_tenant(connection, running)
    found: dict[UUID, Verdict] = {}
    for attempt in running:
        # No row means that the token is no longer valid, so another worker may run the task.
        is_cancelled = held.get(attempt.claim_token)
        if is_cancelled is None:
            found[attempt.claim_token] = "fenced"
        elif is_cancelled:
            found[attempt.claim_token] = "cancelled"
    return found
