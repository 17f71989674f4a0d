"""Cancelling: what the tenant asks for, and what a worker's attempts are asked to do."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Final, Literal, TypeAlias
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import wakeups
from app.core.errors import IllegalState, NotFound
from app.db import Database
from app.tasks import lifecycle, store
from app.tasks.attempts import Held
from app.tasks.status import Status

_log = logging.getLogger(__name__)

_WAKE_TIMEOUT: Final = 0.25

Verdict: TypeAlias = Literal["cancelled", "fenced"]


async def cancel(api: Database, redis: Redis, tenant_id: UUID, task_id: UUID) -> Status:
    """End a waiting task (REVOKED), or ask a running one to end (STARTED, for up to 5 s).

    Raises ``NotFound``, ``IllegalState`` for a task that has succeeded or failed, ``Unavailable``.
    """
    status = await lifecycle.cancel(api, tenant_id, task_id)
    if status is None:
        raise NotFound("There is no such task.")
    if status in {Status.SUCCESS, Status.FAILURE}:
        raise IllegalState("The task has ended. Only one that waits or runs can be cancelled.")
    await _wake(redis, task_id, is_running=status == Status.STARTED)
    return Status(status)


async def _wake(redis: Redis, task_id: UUID, *, is_running: bool) -> None:
    # Hints: a worker looks for itself with each heartbeat, a waiting request every 2 s.
    try:
        async with asyncio.timeout(_WAKE_TIMEOUT):
            if is_running:
                await wakeups.publish_cancel(redis, task_id)
            else:
                await wakeups.publish_done(redis, [task_id])
    except (RedisError, TimeoutError, OSError):
        _log.debug("nobody was woken, Redis is away")


async def verdicts(worker: Database, running: Sequence[Held]) -> dict[UUID, Verdict]:
    """Return by claim token which running attempts are to end. Raises ``Unavailable``.

    ``cancelled``: the tenant has asked for it; ``fenced``: the attempt was taken away, or has ended.
    """
    if not running:
        return {}
    async with worker.transaction(*{attempt.tenant_id for attempt in running}) as connection:
        held = await store.held_any_tenant(connection, running)
    found: dict[UUID, Verdict] = {}
    for attempt in running:
        is_cancelled = held.get(attempt.claim_token)
        if is_cancelled is None:
            found[attempt.claim_token] = "fenced"
        elif is_cancelled:
            found[attempt.claim_token] = "cancelled"
    return found
