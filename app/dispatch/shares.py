"""Workers are shared by weight: who is ahead of its share is passed over while others stand in line."""

import asyncio
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.broker import tickets
from app.db import Connection
from app.dispatch.fairness import Shares
from app.dispatch.ledger import Ledger
from app.tasks import sweep_store

_INTERVAL: Final = 0.5
# A look costs the more the longer the line is: so seldom that it takes no more than a hundredth of a core.
_SECONDS_A_TENANT: Final = 0.0005
_VALID_FOR: Final = 4
"""Looks, after which a line without a dispatcher is served in turn."""


class WorkerShares:
    """Looks at the line; all that it remembers can be lost."""

    def __init__(self, connection: Connection, redis: Redis, ledger: Ledger) -> None:
        """``connection`` is the leader's own; ``ledger`` says what has ended."""
        self._connection = connection
        self._redis = redis
        self._ledger = ledger
        self._forget()
        self._next = 0.0

    def _forget(self) -> None:
        self._shares = Shares()
        self._running: dict[UUID, float] | None = None
        self._in_line: set[UUID] = set()
        self._is_told = False

    async def look(self) -> None:
        """Tell the workers whom to pass over, where it is time to; raises ``RedisError``."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        in_line = await tickets.in_line(self._redis)
        interval = max(_INTERVAL, _SECONDS_A_TENANT * len(in_line))
        self._next = now + interval
        # Whose only ticket is being served just now stands in line again in a moment.
        waiting, self._in_line = in_line | self._in_line, in_line
        if len(waiting) > 1:
            await self._judge(waiting, interval)
        elif self._is_told:
            await tickets.pass_over(self._redis, (), seconds=interval)
            self._forget()

    async def _judge(self, waiting: set[UUID], interval: float) -> None:
        used = await self._used()
        weights = await sweep_store.weights_any_tenant(self._connection, waiting | used.keys())
        ahead = self._shares.look(used, weights, waiting)
        if ahead or self._is_told:
            await tickets.pass_over(self._redis, ahead, seconds=_VALID_FOR * interval)
        self._is_told = bool(ahead)

    async def _used(self) -> dict[UUID, float]:
        """Return the worker seconds since the last look: of what has ended, and of what runs."""
        ended = await self._ledger.take_used()
        running = await sweep_store.running_seconds_any_tenant(self._connection)
        before, self._running = self._running, running
        if before is None:
            # What was used while nobody competed counts for nothing.
            return {}
        tenants = ended.keys() | running.keys() | before.keys()
        return {t: ended.get(t, 0.0) + running.get(t, 0.0) - before.get(t, 0.0) for t in tenants}
