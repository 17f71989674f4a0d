"""Keep the promise that no task waits for ever for others: end what is doomed, and correct rows that are wrong."""

import logging
from typing import Final
from uuid import UUID

from app.core.ids import FIRST
from app.db import Connection, Database
from app.tasks.run import release

_log = logging.getLogger(__name__)

# Tenants whose doomed tasks end in one look, each in a transaction of its own.
_MAX_TENANTS: Final = 20
# Held tasks that one look compares with what they wait for: some 20 µs each.
_PAGE: Final = 2_000

INTERVAL: Final = 5.0
"""Seconds after which, at the latest, a held task with a wrong row, of a page of 2,000, is found."""


class HeldTasks:
    """Looks after held tasks, for the leader."""

    def __init__(self, connection: Connection, worker: Database) -> None:
        """``connection`` finds the tasks (role tq_dispatch), ``worker`` ends and corrects them (role tq_worker)."""
        self._connection = connection
        self._worker = worker
        # The place at which the last page ended.
        self._place = (FIRST, FIRST)

    async def end_doomed(self) -> list[tuple[UUID, UUID]]:
        """End tasks whose condition can no longer hold; return tenant and id of those that this call has ended.

        Ends do so by themselves, up to a bound. This goes on where one of them has stopped.
        """
        ended: list[tuple[UUID, UUID]] = []
        for tenant_id in await release.doomed_any_tenant(self._connection, _MAX_TENANTS):
            ended += [(tenant_id, task_id) for task_id in await release.end_doomed(self._worker, tenant_id)]
        return ended

    async def correct(self) -> int:
        """Correct the next page of held tasks by what they wait for; return how many were wrong (none should be)."""
        found = await release.look_any_tenant(self._connection, self._place, _PAGE)
        self._place = found.next_place or (FIRST, FIRST)
        corrected = 0
        for tenant_id, task_ids in found.wrong.items():
            for task_id in await release.settle(self._worker, tenant_id, task_ids):
                # A row is wrong only if somebody changed it by hand. Without the repair its task might wait for ever.
                _log.error("held task repaired", extra={"tenant_id": str(tenant_id), "task_id": str(task_id)})
                corrected += 1
        if found.next_place is None:
            await release.forget_idle(self._connection, self._worker)
        return corrected
