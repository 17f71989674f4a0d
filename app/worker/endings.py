"""Writing how attempts ended, those that end together in one statement, and telling those who wait for them."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

from redis.exceptions import RedisError

from app.broker import tickets, wakeups
from app.core import logging as structured_logging
from app.core.lane import Lane
from app.tasks import lifecycle
from app.tasks.attempts import Claim, End, Ended, Held, Outcome
from app.worker.executor import Ran
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Results travel together: at their largest a statement has 64 MB.
_AT_ONCE: Final = 64


class Endings:
    """Writes the ends of this process's own attempts. Those that come while some are being written go together."""

    def __init__(self, runtime: Runtime, drop: Callable[[Sequence[Held]], None]) -> None:
        """``drop`` is told which attempts are over: written, or taken away before."""
        self._runtime = runtime
        self._drop = drop
        self._lane: Lane[End, Ended | Exception | None] = Lane(self._write, largest=_AT_ONCE, patience=None)

    async def write(self, claim: Claim, ran: Ran) -> Ended | None:
        """Write how an attempt ended, however long Postgres is away; None when it had been taken away."""
        ended = await self._lane.ask(
            End(claim, ran.outcome, ran.progress, seconds=ran.seconds, has_webhook=claim.has_webhook)
        )
        if isinstance(ended, Exception):
            raise ended
        _log_attempt(claim, ran, ended)
        return ended

    async def _write(self, ends: Sequence[End]) -> list[Ended | Exception | None]:
        try:
            written: list[Ended | Exception | None] = [*await lifecycle.finish(self._runtime.database, ends)]
        except Exception:
            if len(ends) == 1:
                raise
            # One of them cannot be written, and must not keep the others from it.
            written = [await self._write_alone(end) for end in ends]
        finally:
            self._drop([end.held for end in ends])
        self._runtime.spawn(_wake(self._runtime, [end.held for end in ends]))
        return written

    async def _write_alone(self, end: End) -> Ended | Exception | None:
        try:
            return (await lifecycle.finish(self._runtime.database, [end]))[0]
        except Exception as error:  # noqa: BLE001 it is raised to whoever wrote this one
            return error


def _log_attempt(claim: Claim, ran: Ran, ended: Ended | None) -> None:
    structured_logging.write(
        _log,
        "attempt",
        {
            "tenant_id": str(claim.tenant_id),
            "task_id": str(claim.task_id),
            "task": claim.task,
            "attempt": claim.attempt,
            "outcome": ended.status if ended else "FENCED",
            "error_type": (ran.outcome.error or {}).get("type"),
            "duration_ms": round(ran.seconds * 1000, 1),
        },
    )


async def write(runtime: Runtime, held: Held, outcome: Outcome, *, pool: str) -> str | None:
    """End an attempt of another process; return its task's status, None when it had been taken away."""
    [ended] = await lifecycle.finish(runtime.database, [End(held, outcome)])
    await _wake(runtime, [held])
    if ended is None:
        return None
    if needs_ticket(ended):
        await tickets.offer_quietly(runtime.redis, [tickets.Offer(held.tenant_id, pool)])
    return ended.status


def names(attempt: Held) -> dict[str, str]:
    """Return what a log line names an attempt by."""
    return {"tenant_id": str(attempt.tenant_id), "task_id": str(attempt.task_id)}


def needs_ticket(ended: Ended) -> bool:
    """Tell whether what waited for this very slot, or was given back, has no ticket."""
    return ended.frees_slot or ended.status == "PENDING"


async def _wake(runtime: Runtime, attempts: Sequence[Held]) -> None:
    try:
        async with asyncio.timeout(0.5):
            await wakeups.publish_done(runtime.redis, [attempt.task_id for attempt in attempts])
    except (RedisError, TimeoutError, OSError):
        _log.debug("nobody was woken, Redis is away")
