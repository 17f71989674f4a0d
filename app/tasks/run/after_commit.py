"""Follow up the committed end of an attempt: write its log line, wake waiting requests, offer tickets.

Waking and tickets are hints over Redis. Without Redis, waiting requests look by themselves every 2 s, and the
dispatcher offers tickets for due tasks.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import tickets, wakeups
from app.broker.tickets import Offer
from app.core import facts as happenings
from app.core import logging as structured_logging
from app.core import traceparent
from app.tasks.run.attempts import AttemptEnd, AttemptRef, Claim, FinishResult
from app.tasks.status import FINAL

_log = logging.getLogger(__name__)

# Seconds for a message to Redis. Not less, because a busy event loop may be late by itself.
_WAKE_TIMEOUT: Final = 0.5


async def after_commit(
    redis: Redis, ends: Sequence[AttemptEnd], results: Sequence[FinishResult | None], *, pool: str
) -> None:
    """Log attempts of one pool that have ended, wake the requests that wait for their tasks, and offer tickets.

    Use it for an end from outside the worker. A worker claims for the slots that its own ends free, so it calls only
    ``log`` and ``wake``. Never raises.
    """
    for attempt_end, result in zip(ends, results, strict=True):
        log(attempt_end, result)
    refs = [attempt_end.ref for attempt_end in ends]
    await wake(redis, [(ref.tenant_id, ref.task_id) for ref in refs], webhooks=with_webhooks(ends, results))
    if offers := offers_for((ref.tenant_id, pool, result) for ref, result in zip(refs, results, strict=True)):
        await tickets.offer_quietly(redis, offers)


def offers_for(ended: Iterable[tuple[UUID, str, FinishResult | None]]) -> list[Offer]:
    """Return the tickets to offer after ends (tenant, pool, result): at most one for each tenant and pool."""
    # One ticket is enough: the slot that takes it claims more, and offers further tickets if tasks are left.
    lines = {(tenant_id, pool) for tenant_id, pool, result in ended if result is not None and result.needs_ticket}
    return [Offer(tenant_id, pool) for tenant_id, pool in lines]


def is_final(result: FinishResult) -> bool:
    """Return whether the task has ended with its attempt, so that requests may wait for it."""
    return result.status in FINAL


def with_webhooks(ends: Sequence[AttemptEnd], results: Sequence[FinishResult | None]) -> set[UUID]:
    """Return the tenants that have webhooks to be sent after these ends."""
    pairs = zip(ends, results, strict=True)
    return {attempt_end.ref.tenant_id for attempt_end, result in pairs if result is not None and result.has_webhook}


async def wake(
    redis: Redis, ended: Sequence[tuple[UUID, UUID]], *, webhooks: Collection[UUID] = (), seconds: float = _WAKE_TIMEOUT
) -> None:
    """Wake the requests that wait for these tasks (tenant, task), the readers of their tenants' events, and webhooks.

    ``webhooks`` are the tenants that have webhooks to be sent. Never raises.

    It is one round trip, which may take ``seconds``.
    """
    tasks, tenants = [task_id for _, task_id in ended], [tenant_id for tenant_id, _ in ended]
    await _quietly(lambda: wakeups.publish_done(redis, tasks, webhooks, tenants=tenants), seconds)


async def ask_workers_to_end(redis: Redis, task_ids: Sequence[UUID], *, seconds: float = _WAKE_TIMEOUT) -> None:
    """Tell the workers that run these tasks to look for cancels, which are committed. Otherwise like ``wake``."""

    async def publish() -> None:
        for task_id in task_ids:
            await wakeups.publish_cancel(redis, task_id)

    await _quietly(publish, seconds)


async def _quietly(publish: Callable[[], Awaitable[None]], seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await publish()
    # The end is committed already: an error here must not look like an end that was not written.
    except (RedisError, TimeoutError, OSError):
        _log.debug("no request was woken: Redis is unavailable")


def log(attempt_end: AttemptEnd, result: FinishResult | None) -> None:
    """Write the log line of an ended attempt. ``result`` is None if the attempt had been taken away before."""
    facts = _facts(attempt_end, result)
    structured_logging.write(_log, "attempt", facts)
    happenings.tell("attempt", facts, plan=_plan(attempt_end.ref))


def warn_of_rescue(attempt_end: AttemptEnd, result: FinishResult | None, *, reason: str, times_lost: int) -> None:
    """Write the log line as a warning for an attempt that the dispatcher has taken from a worker."""
    facts = _facts(attempt_end, result, reason=reason, times_lost=times_lost)
    _log.warning("attempt", extra={name: value for name, value in facts.items() if value is not None})
    happenings.tell("attempt", facts)


def warn_of_fence(ref: AttemptRef) -> None:
    """Write the log line as a warning for code that was stopped because its attempt had been taken away."""
    facts = names(ref) | {"outcome": "FENCED"}
    _log.warning("attempt", extra=facts)
    happenings.tell("attempt", facts, plan=_plan(ref))


def _plan(ref: AttemptRef) -> str | None:
    return ref.plan if isinstance(ref, Claim) else None


def names(ref: AttemptRef) -> dict[str, str]:
    """Return the fields by which a log line names an attempt."""
    return {"tenant_id": str(ref.tenant_id), "task_id": str(ref.task_id)}


def _facts(
    attempt_end: AttemptEnd, result: FinishResult | None, *, reason: str | None = None, times_lost: int | None = None
) -> dict[str, str | float | None]:
    ref, error, seconds = attempt_end.ref, attempt_end.outcome.error, attempt_end.seconds
    # For an end from outside the worker, the token and the ids are all that is known of the attempt.
    claim = ref if isinstance(ref, Claim) else None
    return {
        "tenant_id": str(ref.tenant_id),
        "task_id": str(ref.task_id),
        "task": claim.task if claim else None,
        "attempt": claim.attempt if claim else None,
        "trace_id": traceparent.trace_id(claim.traceparent) if claim else None,
        "outcome": result.status if result else "FENCED",
        "error_type": (error or {}).get("type"),
        "duration_ms": None if seconds is None else round(seconds * 1000, 1),
        "reason": reason,
        "times_lost": times_lost,
    }
