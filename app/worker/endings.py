"""Writing how attempts ended, those that end together in one statement, and telling those who wait for them."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import asyncpg
from redis.exceptions import RedisError

from app.broker import tickets, wakeups
from app.core import logging as structured_logging
from app.core import traceparent
from app.core.batcher import Batcher
from app.tasks import lifecycle
from app.tasks.attempts import Claim, End, Ended, Held, Outcome
from app.worker import outcomes
from app.worker.executor import RunResult
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Results travel together: at their largest a statement has 64 MB.
_AT_ONCE: Final = 64
# What says that a value cannot be stored: Postgres (SQLSTATE 22… and 54…), its driver, or our own writing of JSON.
_OF_CONTENT: Final = (asyncpg.DataError, asyncpg.ProgramLimitExceededError, ValueError, TypeError, RecursionError)
# Seconds before an end is written again as it is, after an error that says nothing of its content.
_PAUSES: Final = (0.1, 0.5, 2.0)


class Endings:
    """Writes the ends of this process's own attempts. Those that come while some are being written go together."""

    def __init__(self, runtime: Runtime, drop: Callable[[Sequence[Held]], None]) -> None:
        """``drop`` is told which attempts are over: written, or taken away before."""
        self._runtime = runtime
        self._drop = drop
        self._batcher: Batcher[End, Ended | Exception | None] = Batcher(self._write, max_items=_AT_ONCE, timeout=None)

    async def write(self, claim: Claim, ran: RunResult) -> Ended | None:
        """Write how an attempt ended, however long Postgres is away; None when it had been taken away.

        An end that cannot be written for its content is written without it: first without its progress, then without
        what the code returned or raised. Raises what still cannot be written then.
        """
        end = End(claim, ran.outcome, ran.progress, seconds=ran.seconds, has_webhook=claim.has_webhook)
        ended = await self._batcher.ask(end)
        if isinstance(ended, Exception):
            ended = await self._write_reduced(end, ended)
        _log_attempt(claim, ran, ended)
        return ended

    async def _write(self, ends: Sequence[End]) -> list[Ended | Exception | None]:
        written: list[Ended | Exception | None]
        try:
            written = [*await lifecycle.finish(self._runtime.database, ends)]
        except Exception as error:  # noqa: BLE001 each is written in another way by whoever asked for it
            # One of them cannot be written, and must not keep the others from it.
            written = [error] if len(ends) == 1 else [await self._write_alone(end) for end in ends]
        self._forget([end.held for end, ended in zip(ends, written, strict=True) if not isinstance(ended, Exception)])
        return written

    async def _write_alone(self, end: End) -> Ended | Exception | None:
        try:
            return (await lifecycle.finish(self._runtime.database, [end]))[0]
        except Exception as error:  # noqa: BLE001 it is raised to whoever wrote this one
            return error

    async def _write_reduced(self, end: End, error: Exception) -> Ended | None:
        """Write an end that could not be written as it is. Outside of the batcher: the others do not wait for it."""
        try:
            for pause, reduced in _reductions(end, error):
                # By the error's type alone: its text may quote what the code returned.
                facts = names(end.held) | {"error": type(error).__name__}
                _log.warning("the end of an attempt could not be written: once more, or with less of it", extra=facts)
                await asyncio.sleep(pause)
                ended = await self._write_alone(reduced)
                if not isinstance(ended, Exception):
                    return ended
                error = ended
            raise error
        finally:
            self._forget([end.held])

    def _forget(self, attempts: Sequence[Held]) -> None:
        self._drop(attempts)
        self._runtime.spawn(_wake(self._runtime, attempts))


def _reductions(end: End, error: Exception) -> Iterator[tuple[float, End]]:
    """Yield what to write instead of an end, each after a pause in seconds."""
    if not isinstance(error, _OF_CONTENT):
        # A lock that two waited for, or what we do not know: it may be written as it is.
        yield from ((pause, end) for pause in _PAUSES)
    if end.progress is not None:
        end = replace(end, progress=None)
        yield 0, end
    yield 0, replace(end, outcome=outcomes.without_content(end.outcome))


def _log_attempt(claim: Claim, ran: RunResult, ended: Ended | None) -> None:
    structured_logging.write(
        _log,
        "attempt",
        {
            "tenant_id": str(claim.tenant_id),
            "task_id": str(claim.task_id),
            "task": claim.task,
            "attempt": claim.attempt,
            "trace_id": traceparent.trace_id(claim.traceparent),
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
