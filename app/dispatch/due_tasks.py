"""Find waiting tasks whose time has come: scheduled tasks that are due now, and expired tasks, which are ended."""

import logging
from datetime import datetime
from typing import Final
from uuid import UUID

from app.db import Connection, Database
from app.tasks import sweep_store
from app.tasks.run.end import expire

_log = logging.getLogger(__name__)

# Expired tasks that one round ends. Each is a transaction; the next round, 0.2 s later, continues.
_MAX_EXPIRED: Final = 200


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

    async def end_expired(self) -> list[tuple[UUID, UUID]]:
        """End waiting tasks that have passed their expiry; return tenant and id of those that this call has ended."""
        expired = await sweep_store.expired_any_tenant(self._connection, _MAX_EXPIRED)
        return [
            (tenant_id, task_id) for tenant_id, task_id in expired if await expire(self._worker, tenant_id, task_id)
        ]

    async def fallen_due(self) -> list[tuple[UUID, str]]:
        """Return the tenants and pools that have tasks whose time came since the last look: they need a ticket."""
        # A new leader begins with the present: whatever fell due before is the reconciler's work.
        since = self.looked_until or await self._connection.fetchval("SELECT now()")
        due, self.looked_until = await sweep_store.fallen_due_any_tenant(self._connection, since)
        return due
