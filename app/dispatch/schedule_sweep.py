"""Find the schedules of all tenants that are due, and fire them beside the other sweeps."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.core.ids import FIRST
from app.db import Connection, Database
from app.dispatch.leadership import Lead
from app.schedules import due_store
from app.schedules.firing import CONNECTIONS, Firing
from app.tasks.submit.accept import Acceptor

# Schedules that one look finds. While they are fired, there is no other look.
_MAX_DUE: Final = 2_000
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
        self._under_way: asyncio.Task[None] | None = None
        self._next_queued = 0.0
        self._place = FIRST

    async def look(self) -> None:
        """Find what is due, and begin to fire it. While the last look's schedules are fired, do nothing."""
        if self._under_way is not None and not self._under_way.done():
            return
        due = await due_store.due_any_tenant(self._connection, _MAX_DUE)
        if time.monotonic() >= self._next_queued:
            due += await self._queued()
        if due:
            self._under_way = asyncio.create_task(self._firing.fire(due), name="schedules")

    async def _queued(self) -> list[tuple[UUID, UUID]]:
        free, place = await due_store.queued_any_tenant(self._connection, self._place, _MAX_QUEUED)
        self._place = place or FIRST
        if place is None:
            self._next_queued = time.monotonic() + _QUEUED_INTERVAL
        return free

    async def wait(self) -> None:
        """Wait until the schedules of the last look are fired."""
        if self._under_way is not None:
            await self._under_way

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Fire schedules until the block ends. A step under way is then rolled back, or was committed."""
        try:
            yield
        finally:
            if self._under_way is not None:
                self._under_way.cancel()
                await asyncio.wait([self._under_way])


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
