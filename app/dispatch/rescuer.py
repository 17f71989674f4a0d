"""Rescue tasks whose attempt is lost, because the worker is dead or no longer has it.

The attempt is taken away by its claim token and ends LOST; its task waits again, or ends after five losses.
"""

import logging
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from app.core import failpoints
from app.core.errors import Unavailable
from app.core.log_limiter import LogLimiter
from app.db import Database
from app.dispatch.leadership import Lead
from app.tasks import sweep_store
from app.tasks.run import after_commit, end, outcomes
from app.tasks.run.attempts import AttemptEnd, FinishResult
from app.tasks.run.claim import look
from app.tasks.run.timing import WORKER_DEAD_AFTER
from app.tasks.sweep_store import Lost

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Attempts that one round rescues. After the death of a large worker the next rounds continue.
_AT_ONCE: Final = 200


class Rescued(NamedTuple):
    """The result of taking lost attempts away."""

    offers: list[tuple[UUID, str]]
    """Tenants and pools that need a ticket: a slot is free again, and mostly a task waits again."""
    ended: list[tuple[UUID, UUID]]
    """Tenant and id of tasks that have ended. Clients and webhooks may wait for them."""


class Rescuer:
    """Finds lost attempts in the role tq_dispatch, and ends them in the role tq_worker."""

    def __init__(self, lead: Lead, worker: Database) -> None:
        """``lead`` has the token of the lease: a dispatcher that no longer leads changes nothing."""
        self._connection, self._fence = lead.connection, lead.token
        self._worker = worker

    async def tick(self) -> Rescued:
        """End lost attempts; return the tenants that need tickets, and the tasks that have ended."""
        found = await sweep_store.lost_any_tenant(self._connection, WORKER_DEAD_AFTER, _AT_ONCE)
        if found:
            failpoints.hit("rescue.before_take_away")
        rescued = [(lost, ended) for lost in found if (ended := await self._take_away(lost))]
        if rescued:
            failpoints.hit("rescue.before_offer")
        await sweep_store.forget_dead_workers_any_tenant(self._connection, self._fence)
        return Rescued(
            [(lost.tenant_id, lost.pool) for lost, _ in rescued],
            [(lost.tenant_id, lost.task_id) for lost, ended in rescued if after_commit.is_final(ended)],
        )

    async def _take_away(self, lost: Lost) -> FinishResult | None:
        try:
            attempt_end = AttemptEnd(lost, outcomes.lost(await self._times_lost(lost)))
            result = await end.end_as_leader(self._worker, attempt_end, self._fence)
        except Unavailable:
            # The attempt stays lost, so the next round finds it again.
            return None
        except asyncpg.PostgresError as error:
            # About this attempt, so the others must not wait for it. The text may quote the row, so the type is logged.
            facts = after_commit.names(lost) | {"error": type(error).__name__}
            _log_limiter.log(logging.ERROR, "a lost attempt cannot be ended", reason=str(lost.task_id), extra=facts)
            return None
        after_commit.warn_of_rescue(attempt_end, result, reason=lost.reason, times_lost=lost.times_lost + 1)
        return result

    async def _times_lost(self, lost: Lost) -> int:
        # tq_dispatch may not read errors, so it counts every loss, also those that should not count. Near the limit
        # tq_worker counts exactly.
        if lost.times_lost + 1 < outcomes.MAX_LOST:
            return lost.times_lost
        tried = await look(self._worker, lost)
        return tried.times_lost if tried else lost.times_lost
