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
    status = await lifecycle.finish(runtime.database, held, outcome, progress)
    try:
        async with asyncio.timeout(0.5):
            await wakeups.publish_done(runtime.redis, [held.task_id])
    except (RedisError, TimeoutError, OSError):
        _log.debug("nobody was woken, Redis is away")
    # The slot is free now: work that waited for it alone has no ticket.
    await tickets.offer_quietly(runtime.redis, [tickets.Offer(held.tenant_id, pool)])
    return status
