"""Share the workers among tenants by weight: workers skip a tenant ahead of its share while others wait."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.broker import tickets
from app.db import Connection
from app.dispatch.fairness import VirtualClocks
from app.dispatch.ledger import Ledger
from app.tasks import sweep_store

_INTERVAL: Final = 0.5
# A look takes longer with more tenants in the ring. This keeps it below a hundredth of a core.
_INTERVAL_PER_TENANT: Final = 0.0005
_VALID_FOR: Final = 4
"""Intervals without a dispatcher after which workers serve all tenants round-robin again."""


class FairShareThrottle:
    """Decides which tenants the workers skip. A new leader can start without its memory."""

    def __init__(self, connection: Connection, redis: Redis, ledger: Ledger) -> None:
        """``connection`` is the leader's own; ``ledger`` knows what the ended attempts have used."""
        self._connection = connection
        self._redis = redis
        self._ledger = ledger
        self._forget()
        self._next = 0.0

    def _forget(self) -> None:
        # Of each pool, compared among themselves: a tenant that waits for a pool without a worker, or for a busy one,
        # would otherwise be the slowest of all, and everybody in the other pool ahead of it.
        self._clocks: dict[str, VirtualClocks] = defaultdict(VirtualClocks)
        self._running: dict[UUID, float] | None = None
        self._in_line: dict[str, set[UUID]] = {}
        self._is_told = False

    async def look(self) -> None:
        """Tell the workers which tenants to skip, at most every 0.5 s. Raises ``RedisError``."""
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        in_line = await tickets.in_line(self._redis)
        interval = max(_INTERVAL, _INTERVAL_PER_TENANT * sum(map(len, in_line.values())))
        self._next = now + interval
        # A tenant whose only ticket is being served just now is in the ring again in a moment, so it counts as waiting.
        waiting = {pool: tenants | self._in_line.get(pool, set()) for pool, tenants in in_line.items()}
        self._in_line = in_line
        if any(waiting.values()):
            # Also with one tenant alone: its use costs it nothing, because its own clock is the slowest.
            await self._judge(waiting, interval)
            return
        if self._is_told:
            await tickets.pass_over(self._redis, {}, seconds=interval)
        self._forget()

    async def _judge(self, waiting: Mapping[str, set[UUID]], interval: float) -> None:
        used = await self._used()
        tenants = set[UUID]().union(*waiting.values(), used)
        weights = await sweep_store.weights_any_tenant(self._connection, tenants)
        # What a tenant uses in one pool counts in the other, too. Nobody has a debt where nobody waits.
        self._clocks = defaultdict(VirtualClocks, {pool: c for pool, c in self._clocks.items() if waiting.get(pool)})
        ahead = {pool: self._clocks[pool].look(used, weights, found) for pool, found in waiting.items() if found}
        is_any_ahead = any(ahead.values())
        if is_any_ahead or self._is_told:
            await tickets.pass_over(self._redis, ahead, seconds=_VALID_FOR * interval)
        self._is_told = is_any_ahead

    async def _used(self) -> dict[UUID, float]:
        """Return each tenant's worker seconds since the last look, of ended and of running attempts."""
        ended = await self._ledger.take_used()
        running = await sweep_store.running_seconds_any_tenant(self._connection)
        before, self._running = self._running, running
        if before is None:
            # What was used while no tenant waited does not count.
            return {}
        tenants = ended.keys() | running.keys() | before.keys()
        return {t: ended.get(t, 0.0) + running.get(t, 0.0) - before.get(t, 0.0) for t in tenants}
