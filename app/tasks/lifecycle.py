"""What changes a task's status: claim, finish, cancel, expire. Every change is a compare-and-set."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from app.core import failpoints
from app.core.errors import LeadLost, Unavailable
from app.db import Connection, Database
from app.tasks import store
from app.tasks.attempts import Attempted, Claim, End, Ended, Held, Outcome
from app.webhooks import events

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FINISH_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
# A task that comes back from its attempt at the very moment is looked for again.
_CANCEL_LOOKS: Final = 5


async def claim(worker: Database, tenant_id: UUID, *, pool: str, worker_id: UUID, limit: int = 1) -> list[Claim]:
    """Take up to ``limit`` of the tenant's due tasks; none when it has none, no free slot, or is paused.

    Raises ``Unavailable``.
    """
    return await claim_each(worker, {tenant_id: limit}, pool=pool, worker_id=worker_id)


async def claim_each(worker: Database, wanted: Mapping[UUID, int], *, pool: str, worker_id: UUID) -> list[Claim]:
    """Take up to so many due tasks of each tenant, as ``claim``, in one round trip."""
    async with worker.statement() as connection:
        rows = await store.claim_any_tenant(connection, wanted, pool=pool, worker_id=worker_id)
    return [Claim(**row) for row in rows]


async def find(worker: Database, held: Held) -> Attempted | None:
    """Return how often the task of a running attempt was tried; None when the attempt has been taken away."""
    return await _until_back(lambda: look(worker, held))


async def look(worker: Database, held: Held) -> Attempted | None:
    """Return the same, asked once: raises ``Unavailable``."""
    async with worker.transaction(held.tenant_id) as connection:
        row = await store.attempted(connection, held.tenant_id, held.task_id, held.claim_token)
    return Attempted(**dict(row)) if row else None


async def finish(worker: Database, ends: Sequence[End]) -> list[Ended | None]:
    """Write how attempts ended; return what each has done, None for one that had been taken away.

    A task that waits for another attempt and was cancelled meanwhile ends REVOKED. Tried again for as long as
    Postgres is away: the token makes a repeat harmless. Where no end is known to be an event it is one round trip.
    """
    return await _until_back(lambda: _finish(worker, ends))


async def lose(worker: Database, held: Held, outcome: Outcome, *, fence: UUID | None = None) -> Ended | None:
    """Take an attempt away; return what that has done, None when it had ended by itself.

    ``fence`` is the token of the dispatcher's lease: once another one leads, it changes nothing and raises
    ``LeadLost``. Tried once: raises ``Unavailable``.
    """
    ended = await _finish(worker, [End(held, outcome)], fence)
    if not ended:
        raise LeadLost
    return ended[0]


async def _until_back(call: Callable[[], Awaitable[T]]) -> T:
    tries = 0
    while True:
        try:
            return await call()
        except Unavailable:
            pause = _FINISH_PAUSES[min(tries, len(_FINISH_PAUSES) - 1)]
            _log.warning("an attempt's end waits for Postgres", extra={"pause_s": pause})
            await asyncio.sleep(pause)
            tries += 1


async def _finish(worker: Database, ends: Sequence[End], fence: UUID | None = None) -> list[Ended | None]:
    if any(end.has_webhook for end in ends):
        rows = await _finish_with_events(worker, ends, fence)
    else:
        async with worker.statement() as connection:
            failpoints.hit("finish.before_commit")
            rows = await store.finish_any_tenant(connection, ends, fence)
    failpoints.hit("finish.after_commit")
    # No row at all: who leads no more has ended nothing.
    return [_ended(row, end.outcome) for row, end in zip(rows, ends, strict=bool(rows))]


async def _finish_with_events(worker: Database, ends: Sequence[End], fence: UUID | None) -> list[Any]:
    async with worker.transaction(*{end.held.tenant_id for end in ends}) as connection:
        rows = await store.finish_any_tenant(connection, ends, fence)
        final = [(row, end) for row, end in zip(rows, ends, strict=bool(rows)) if row["finished_at"] is not None]
        await events.emit(
            connection,
            [_event(end.held.tenant_id, end.held.task_id, row, end.outcome.result) for row, end in final],
        )
        failpoints.hit("finish.before_commit")
    return rows


def _ended(row: Any, outcome: Outcome) -> Ended | None:
    if row["outcome"] == "ended":
        return Ended(row["status"], frees_slot=row["frees_slot"])
    return Ended(outcome.status, frees_slot=True) if row["outcome"] == "already" else None


async def cancel(api: Database, tenant_id: UUID, task_id: UUID) -> str | None:
    """End a waiting task, or ask a running one to end; return its status then, None when there is no such task.

    STARTED means that it runs and is asked to end; SUCCESS and FAILURE that it had ended before.
    """
    async with api.transaction(tenant_id) as connection:
        for _ in range(_CANCEL_LOOKS):
            revoked = await store.revoke_waiting(connection, tenant_id, task_id, _error("Cancelled"))
            if revoked is not None:
                await _emit(connection, tenant_id, task_id, revoked)
                return "REVOKED"
            if await store.request_cancel(connection, tenant_id, task_id):
                return "STARTED"
            status = await store.status(connection, tenant_id, task_id)
            if status not in {"PENDING", "RETRY"}:
                return status
    raise Unavailable


async def expire(worker: Database, tenant_id: UUID, task_id: UUID) -> bool:
    """End a waiting task that was to start by now; False when it was claimed or ended first."""
    async with worker.transaction(tenant_id) as connection:
        revoked = await store.revoke_waiting(connection, tenant_id, task_id, _error("Expired"), is_expiry=True)
        if revoked is not None:
            await _emit(connection, tenant_id, task_id, revoked)
    return revoked is not None


_REASONS: Final = {"Cancelled": "cancelled on request", "Expired": "not started within expires_seconds"}


def _error(kind: str) -> dict[str, Any]:
    return {"type": kind, "message": _REASONS[kind]}


def revoked() -> Outcome:
    """Return the outcome of an attempt that was ended because the tenant cancelled its task."""
    return Outcome("REVOKED", "REVOKED", error=_error("Cancelled"))


async def _emit(connection: Connection, tenant_id: UUID, task_id: UUID, ended: Any) -> None:
    await events.emit(connection, [_event(tenant_id, task_id, ended, None)])


def _event(tenant_id: UUID, task_id: UUID, ended: Any, result: str | None) -> events.TaskEnded:
    return events.TaskEnded(
        tenant_id=tenant_id,
        task_id=task_id,
        task=ended["task"],
        status=ended["status"],
        result=result,
        error=ended["error"],
        attempt_count=ended["attempt"],
        tags=ended["tags"],
        finished_at=ended["finished_at"],
        webhook_url=ended["webhook_url"],
    )
