"""Writing how an attempt ended, and telling those who wait for it."""

import asyncio
import logging
from typing import Any

from redis.exceptions import RedisError

from app.broker import tickets, wakeups
from app.tasks import lifecycle
from app.tasks.lifecycle import Claim, Ended, Held, Outcome
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)


async def write(runtime: Runtime, held: Held, outcome: Outcome, *, pool: str) -> str | None:
    """End an attempt; return the task's status after it, or None when the attempt had been taken away."""
    ended = await lifecycle.finish(runtime.database, held, outcome)
    await _wake(runtime, held)
    if ended is None:
        return None
    if needs_ticket(ended):
        await tickets.offer_quietly(runtime.redis, [tickets.Offer(held.tenant_id, pool)])
    return ended.status


async def write_own(runtime: Runtime, claim: Claim, outcome: Outcome, progress: Any) -> Ended | None:
    """End an attempt of this process; None when it had been taken away. Who waits for it is told meanwhile."""
    ended = await lifecycle.finish(runtime.database, claim, outcome, progress, has_webhook=claim.has_webhook)
    runtime.start(_wake(runtime, claim))
    return ended


def needs_ticket(ended: Ended) -> bool:
    """Tell whether what waited for this very slot, or was given back, has no ticket."""
    return ended.frees_slot or ended.status == "PENDING"


async def _wake(runtime: Runtime, held: Held) -> None:
    try:
        async with asyncio.timeout(0.5):
            await wakeups.publish_done(runtime.redis, [held.task_id])
    except (RedisError, TimeoutError, OSError):
        _log.debug("nobody was woken, Redis is away")
