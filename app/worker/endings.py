"""Writing how an attempt ended, and telling those who wait for it."""

import asyncio
import logging
from typing import Any

from redis.exceptions import RedisError

from app.broker import tickets, wakeups
from app.tasks import lifecycle
from app.tasks.lifecycle import Held, Outcome
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)


async def write(runtime: Runtime, held: Held, outcome: Outcome, *, pool: str, progress: Any = None) -> str | None:
    """End an attempt; return the task's status after it, or None when the attempt had been taken away."""
    ended = await lifecycle.finish(runtime.database, held, outcome, progress)
    try:
        async with asyncio.timeout(0.5):
            await wakeups.publish_done(runtime.redis, [held.task_id])
    except (RedisError, TimeoutError, OSError):
        _log.debug("nobody was woken, Redis is away")
    if ended is None:
        return None
    if ended.frees_slot or ended.status == "PENDING":
        # What waited for this slot, or was given back, has no ticket.
        await tickets.offer_quietly(runtime.redis, [tickets.Offer(held.tenant_id, pool)])
    return ended.status
