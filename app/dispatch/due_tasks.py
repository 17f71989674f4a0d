"""Find waiting tasks whose time has come: scheduled ones that are due now, and expired ones, which end."""

import logging
from datetime import datetime
from typing import Final
from uuid import UUID

from app.db import Connection, Database
from app.tasks import sweep_store
from app.tasks.run.end import expire

_log = logging.getLogger(__name__)

_MAX_EXPIRED: Final = 200


class DueTasks:
    """Finds scheduled and expired tasks. It remembers the time of its last look, which can be lost."""

    def __init__(self, connection: Connection, worker: Database) -> None:
        """``connection`` finds (tq_dispatch), ``worker`` ends what was found (tq_worker)."""
        self._connection = connection
        self._worker = worker
        self.looked_until: datetime | None = None

    async def end_expired(self) -> list[tuple[UUID, UUID]]:
        """End the tasks that should have started by now; return tenant and id of those that this call has ended."""
        expired = await sweep_store.expired_any_tenant(self._connection, _MAX_EXPIRED)
        return [
            (tenant_id, task_id) for tenant_id, task_id in expired if await expire(self._worker, tenant_id, task_id)
        ]

    async def fallen_due(self) -> list[tuple[UUID, str]]:
        """Return the tenants and pools whose scheduled work has fallen due since the last look."""
        since = self.looked_until or await self._connection.fetchval("SELECT now()")
        due, self.looked_until = await sweep_store.fallen_due_any_tenant(self._connection, since)
        return due
