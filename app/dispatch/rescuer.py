"""Attempts whose worker is dead or has lost them: each is taken away by its token, and its task waits again."""

import logging
from typing import Final, NamedTuple
from uuid import UUID

from app.core import failpoints
from app.core.errors import Unavailable
from app.db import Database
from app.dispatch.leadership import Lead
from app.tasks import attempts, lifecycle, sweep_store
from app.tasks.attempts import Ended
from app.tasks.status import FINAL
from app.tasks.sweep_store import Lost

_log = logging.getLogger(__name__)

LEASE: Final = 15.0
"""Seconds after a worker's last heartbeat in which its attempts are its own."""
_AT_ONCE: Final = 200


class Rescued(NamedTuple):
    """What was taken away."""

    offers: list[tuple[UUID, str]]
    """Tenants and pools that have a slot again, and most of them a task that waits again."""
    ended: list[UUID]
    """Tasks that wait no more: somebody may wait for their end."""


class Rescuer:
    """Finds as tq_dispatch, ends as tq_worker."""

    def __init__(self, lead: Lead, worker: Database) -> None:
        """``lead`` fences, so that a dispatcher that leads no more rescues nothing."""
        self._connection, self._fence = lead.connection, lead.token
        self._worker = worker

    async def tick(self) -> Rescued:
        """Take away what is lost; return whom to offer tickets, and which tasks have ended with it."""
        found = await sweep_store.lost_any_tenant(self._connection, LEASE, _AT_ONCE)
        if found:
            failpoints.hit("rescue.before_take_away")
        rescued = [(lost, ended) for lost in found if (ended := await self._take_away(lost))]
        if rescued:
            failpoints.hit("rescue.before_offer")
        await sweep_store.forget_dead_workers_any_tenant(self._connection, self._fence)
        return Rescued(
            [(lost.tenant_id, lost.pool) for lost, _ in rescued],
            [lost.task_id for lost, ended in rescued if ended.status in FINAL],
        )

    async def _take_away(self, lost: Lost) -> Ended | None:
        try:
            outcome = attempts.lost(await self._times_lost(lost))
            ended = await lifecycle.lose(self._worker, lost, outcome, fence=self._fence)
        except Unavailable:
            return None
        _log.warning(
            "attempt",
            extra={
                "tenant_id": str(lost.tenant_id),
                "task_id": str(lost.task_id),
                "outcome": ended.status if ended else "FENCED",
                "reason": lost.reason,
                "times_lost": lost.times_lost + 1,
            },
        )
        return ended

    async def _times_lost(self, lost: Lost) -> int:
        # tq_dispatch, which counted, reads no errors: whether all of them count is asked where it matters only.
        if lost.times_lost + 1 < attempts.MAX_LOST:
            return lost.times_lost
        tried = await lifecycle.look(self._worker, lost)
        return tried.times_lost if tried else lost.times_lost
