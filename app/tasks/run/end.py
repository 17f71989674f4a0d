"""End attempts and waiting tasks. Every change is a compare-and-set; callers then use ``after_commit``."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import UUID

from app.core import failpoints, retry
from app.core.errors import LeadLost, Unavailable
from app.db import Connection, Database
from app.tasks import bulk_store, store
from app.tasks.run import outcomes
from app.tasks.run.attempts import AttemptEnd, FinishResult, Outcome

_log = logging.getLogger(__name__)

# A running task may return to the backlog between the two statements, so both are repeated.
_CANCEL_LOOKS: Final = 5


async def end(worker: Database, ends: Sequence[AttemptEnd]) -> list[FinishResult | None]:
    """Write the ends of attempts; return the effect of each, None for one that had been taken away.

    A task that waits for another attempt and was cancelled meanwhile ends REVOKED. The events are written in the same
    transaction, which is one round trip. It repeats the write for as long as Postgres is unavailable; the token makes
    that harmless.
    """
    if not ends:
        return []
    return await retry.until_back(lambda: _end(worker, ends), Unavailable, warn)


async def end_once(worker: Database, ends: Sequence[AttemptEnd]) -> list[FinishResult | None]:
    """Write the ends of attempts as ``end`` does, with one attempt. Raises ``Unavailable``."""
    return await _end(worker, ends) if ends else []


async def end_as_leader(worker: Database, attempt_end: AttemptEnd, fence: UUID | None) -> FinishResult | None:
    """End an attempt for the dispatcher; return the effect, None if the attempt had ended by itself.

    ``fence`` is the token of the dispatcher's lease: once another one leads, it changes nothing and raises
    ``LeadLost``. It makes one attempt and raises ``Unavailable``.
    """
    results = await _end(worker, [attempt_end], fence)
    if not results:
        raise LeadLost
    return results[0]


def warn(_: Exception, pause: float) -> None:
    """Log that the end of an attempt waits for Postgres; ``pause`` is the time until the next attempt, in seconds."""
    _log.warning("an attempt's end waits for Postgres", extra={"pause_s": pause})


async def _end(worker: Database, ends: Sequence[AttemptEnd], fence: UUID | None = None) -> list[FinishResult | None]:
    async with worker.statement() as connection:
        failpoints.hit("finish.before_commit")
        rows = await store.finish_any_tenant(connection, ends, fence)
    failpoints.hit("finish.after_commit")
    # A dispatcher that no longer leads gets no row at all, so zip is strict only if there are rows.
    return [_result(row, attempt_end.outcome) for row, attempt_end in zip(rows, ends, strict=bool(rows))]


def _result(row: Any, outcome: Outcome) -> FinishResult | None:
    if row["outcome"] == "ended":
        return FinishResult(row["status"], frees_slot=row["frees_slot"], has_webhook=row["has_webhook"])
    if row["outcome"] == "already":
        # What followed the first write is not known, so all of it is done again. Messages that come twice do no harm.
        return FinishResult(outcome.status, frees_slot=True, has_webhook=True)
    return None


async def cancel(api: Database, tenant_id: UUID, task_id: UUID) -> str | None:
    """End a waiting task, or request a cancel of a running one; return its status, None if it does not exist.

    STARTED means that it runs and will end soon; SUCCESS and FAILURE mean that it had ended before.
    """
    async with api.transaction(tenant_id) as connection:
        for _ in range(_CANCEL_LOOKS):
            if await store.revoke_waiting(connection, tenant_id, [task_id], outcomes.CANCELLED):
                return "REVOKED"
            if await store.request_cancel(connection, tenant_id, task_id):
                return "STARTED"
            status = await store.status(connection, tenant_id, task_id)
            if status not in {"PENDING", "RETRY"}:
                return status
    raise Unavailable


class ManyCancelled(NamedTuple):
    """The effect of a cancel of many tasks on each of them."""

    revoked: set[UUID]
    """They waited, and have ended."""
    asked: set[UUID]
    """They run, and will end soon."""
    left: set[UUID]
    """They had ended before, or run and were not to be asked."""


async def cancel_many(
    worker: Database,
    tenant_id: UUID,
    task_ids: Sequence[UUID],
    *,
    asks_running: bool,
    settle: Callable[[Connection, ManyCancelled], Awaitable[None]],
) -> ManyCancelled:
    """Cancel each of the tasks as ``cancel`` does, all in one transaction.

    Running ones are asked to end only with ``asks_running``. ``settle`` writes the caller's own rows in the same
    transaction; if it raises, nothing has happened. Raises ``Unavailable``.
    """
    async with worker.transaction(tenant_id) as connection:
        revoked: set[UUID] = set()
        asked: set[UUID] = set()
        remaining = set(task_ids)
        for _ in range(_CANCEL_LOOKS):
            revoked |= set(await store.revoke_waiting(connection, tenant_id, sorted(remaining), outcomes.CANCELLED))
            remaining -= revoked
            if remaining and asks_running:
                asked |= await bulk_store.request_cancel_each(connection, tenant_id, sorted(remaining))
                remaining -= asked
            if not remaining or not await bulk_store.waiting(connection, tenant_id, sorted(remaining)):
                break
        else:
            raise Unavailable
        done = ManyCancelled(revoked, asked, remaining)
        failpoints.hit("cancel_many.before_settle")
        await settle(connection, done)
        failpoints.hit("cancel_many.before_commit")
    failpoints.hit("cancel_many.after_commit")
    return done


async def expire(worker: Database, tenant_id: UUID, task_ids: Sequence[UUID]) -> list[UUID]:
    """End waiting tasks of a tenant that have expired; return those that this call has ended.

    The others were claimed, or had ended before.
    """
    async with worker.transaction(tenant_id) as connection:
        return await store.revoke_waiting(connection, tenant_id, task_ids, outcomes.EXPIRED, is_expiry=True)
