"""Find waiting tasks whose time has come: scheduled tasks that are due now, and expired tasks, which are ended."""

import logging
import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from app.core.ids import FIRST
from app.core.log_limiter import LogLimiter
from app.db import Connection, Database
from app.tasks import sweep_store
from app.tasks.run.end import expire

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Expired tasks that a look finds, oldest first. If there are more, it also looks at this many tenants, and finds this
# many of each.
_MAX_EXPIRED: Final = 200
_MAX_TENANTS: Final = 50
_MAX_OF_EACH: Final = 20
# Tasks of one tenant that end in one transaction, which holds the lock of the tenant's slots.
_AT_ONCE: Final = 20
# Seconds after which a round ends only the first group of each tenant, because the other sweeps wait for it. The next
# round, 0.2 s later, continues.
_MAX_SECONDS: Final = 0.2


class DueTasks:
    """Finds scheduled and expired tasks.

    It remembers the time of its last look in memory. If that is lost, the reconciler finds the due tasks instead.
    """

    def __init__(self, connection: Connection, worker: Database) -> None:
        """``connection`` finds the tasks (role tq_dispatch), ``worker`` ends the expired ones (role tq_worker)."""
        self._connection = connection
        self._worker = worker
        self.looked_until: datetime | None = None
        """The database's time of the last look; None before the first one."""
        # The tenant at which the last page of expired tasks ended.
        self._place = FIRST

    async def end_expired(self) -> list[tuple[UUID, UUID]]:
        """End waiting tasks that have passed their expiry; return tenant and id of those that this call has ended."""
        until = time.monotonic() + _MAX_SECONDS
        ended: list[tuple[UUID, UUID]] = []
        for place, tenant_id, task_ids in _groups(await self._find_expired()):
            if place and time.monotonic() > until:
                break
            ended += [(tenant_id, task_id) for task_id in await self._expire(tenant_id, task_ids)]
        return ended

    async def _expire(self, tenant_id: UUID, task_ids: Sequence[UUID]) -> list[UUID]:
        try:
            return await expire(self._worker, tenant_id, task_ids)
        except asyncpg.PostgresError as error:
            if len(task_ids) == 1:
                # Only the type of the error: its text may quote the row. Each round tries again.
                facts = {"tenant_id": str(tenant_id), "task_id": str(task_ids[0]), "error": type(error).__name__}
                _log_limiter.log(logging.ERROR, "an expired task cannot be ended", reason=str(task_ids[0]), extra=facts)
                return []
        # About one of the tasks: the others must not wait for it.
        return [ended for task_id in task_ids for ended in await self._expire(tenant_id, [task_id])]

    async def _find_expired(self) -> list[tuple[UUID, UUID]]:
        found = await sweep_store.expired_any_tenant(self._connection, _MAX_EXPIRED)
        if len(found) >= _MAX_EXPIRED:
            # The look was full, perhaps of one tenant's tasks. So the first ones of each tenant come too.
            page, place = await sweep_store.expired_by_tenant_any_tenant(
                self._connection, self._place, tenants=_MAX_TENANTS, each=_MAX_OF_EACH
            )
            self._place = place or FIRST
            found = [*page, *found]
        return found

    async def fallen_due(self) -> list[tuple[UUID, str]]:
        """Return the tenants and pools that have tasks whose time came since the last look: they need a ticket."""
        # A new leader begins with the present: whatever fell due before is the reconciler's work.
        since = self.looked_until or await self._connection.fetchval("SELECT now()")
        due, self.looked_until = await sweep_store.fallen_due_any_tenant(self._connection, since)
        return due


def _groups(found: Iterable[tuple[UUID, UUID]]) -> list[tuple[int, UUID, list[UUID]]]:
    """Return the tasks of each tenant in groups for one transaction each, with the place of each group at its tenant.

    The first group of every tenant comes before the second of any.
    """
    by_tenant: dict[UUID, dict[UUID, None]] = {}
    for tenant_id, task_id in found:
        by_tenant.setdefault(tenant_id, {})[task_id] = None
    groups = [
        (place, tenant_id, group)
        for tenant_id, task_ids in by_tenant.items()
        for place, group in enumerate(_batches([*task_ids]))
    ]
    return sorted(groups, key=lambda group: group[0])


def _batches(task_ids: list[UUID]) -> list[list[UUID]]:
    return [task_ids[start : start + _AT_ONCE] for start in range(0, len(task_ids), _AT_ONCE)]
