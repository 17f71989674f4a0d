"""Find the schedules of all tenants that are due, and fire them beside the other sweeps."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.core.ids import FIRST
from app.db import Connection, Database
from app.dispatch.leadership import Lead
from app.schedules import due_store
from app.schedules.firing import CONNECTIONS, Firing
from app.tasks.submit.accept import Acceptor

_log = logging.getLogger(__name__)

# Schedules that one look finds, and of one tenant if there are more of all.
_MAX_DUE: Final = 2_000
_MAX_OF_TENANT: Final = 1_000
# Seconds between two looks at fires that wait for the end of a task, and how many one look covers.
_QUEUED_INTERVAL: Final = 1.0
_MAX_QUEUED: Final = 1_000
# Seconds for one statement: a tenant whose rows are locked must not keep the schedules of others waiting for long.
_COMMAND_TIMEOUT: Final = 5.0


class ScheduleSweep:
    """Looks for due schedules, for the leader. A look is one probe of an index if nothing is due."""

    def __init__(self, connection: Connection, firing: Firing) -> None:
        """``connection`` is the leader's own."""
        self._connection = connection
        self._firing = firing
        # The tenants whose schedules are being fired.
        self._under_way: dict[UUID, asyncio.Task[None]] = {}
        self._next_queued = 0.0
        self._place = FIRST

    async def look(self) -> None:
        """Find what is due, and begin to fire it. Tenants for whom the last look's is still fired are passed over."""
        due = await due_store.due_any_tenant(self._connection, _MAX_DUE)
        if len(due) == _MAX_DUE:
            due = await self._shared_out(due)
        if time.monotonic() >= self._next_queued:
            due += await self._queued()
        for tenant_id, keys in self._firing.ready(due).items() if due else ():
            if tenant_id not in self._under_way:
                task = asyncio.create_task(self._firing.fire(tenant_id, keys), name="schedules")
                self._under_way[tenant_id] = task
                task.add_done_callback(partial(self._ended, tenant_id))

    def _ended(self, tenant_id: UUID, task: asyncio.Task[None]) -> None:
        del self._under_way[tenant_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("schedules cannot be fired", exc_info=error, extra={"tenant_id": str(tenant_id)})

    async def _shared_out(self, oldest: list[tuple[UUID, UUID]]) -> list[tuple[UUID, UUID]]:
        """Return as many schedules of all tenants in turn, and the oldest ones for the rest."""
        found = await due_store.due_in_turn_any_tenant(self._connection, _MAX_OF_TENANT, _MAX_DUE)
        return list(dict.fromkeys([*found, *oldest]))[:_MAX_DUE]

    async def _queued(self) -> list[tuple[UUID, UUID]]:
        free, place = await due_store.queued_any_tenant(self._connection, self._place, _MAX_QUEUED)
        self._place = place or FIRST
        if place is None:
            self._next_queued = time.monotonic() + _QUEUED_INTERVAL
        return free

    async def wait(self) -> None:
        """Wait until the schedules of the looks so far are fired."""
        if self._under_way:
            await asyncio.wait(self._under_way.values())

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fire schedules until the block ends. A step under way is then rolled back, or was committed."""
        try:
            yield
        finally:
            for task in self._under_way.values():
                task.cancel()
            await self.wait()


class ScheduleConnections:
    """The connections that fire schedules. They are opened by the first due schedule."""

    def __init__(self, redis: Redis) -> None:
        """``redis`` carries wake-ups and tickets, and may be unavailable."""
        self._redis = redis
        self._worker = Database("tq_worker", size=CONNECTIONS, command_timeout=_COMMAND_TIMEOUT)
        self._submit = Database("tq_submit", size=CONNECTIONS, command_timeout=_COMMAND_TIMEOUT)
        self._acceptor = Acceptor(self._submit, self._worker, redis)

    def of(self, lead: Lead) -> ScheduleSweep:
        """Return the sweep of a lead."""
        firing = Firing(self._worker, self._submit, self._acceptor, self._redis, lead.token)
        return ScheduleSweep(lead.connection, firing)

    async def close(self) -> None:
        """Wait for the fires that have begun, and close the connections."""
        await self._acceptor.close()
        await self._submit.close()
        await self._worker.close()
