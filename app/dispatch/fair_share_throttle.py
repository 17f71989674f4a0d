"""Share the workers among tenants by weight: workers skip a tenant that is ahead of its share while others wait."""

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

# Seconds between two looks.
_INTERVAL: Final = 0.5
# A look takes longer with more tenants in the ring. The longer interval keeps its cost below a hundredth of a core.
_INTERVAL_PER_TENANT: Final = 0.0005
_VALID_FOR: Final = 4
"""Intervals without a dispatcher after which workers serve all tenants round-robin again."""


class FairShareThrottle:
    """Decides which tenants the workers skip.

    Its state is in memory only. A new leader starts without it, and then all tenants are equal again.
    """

    def __init__(self, connection: Connection, redis: Redis, ledger: Ledger) -> None:
        """``connection`` is the leader's own; ``ledger`` knows the worker seconds of ended attempts."""
        self._connection = connection
        self._redis = redis
        self._ledger = ledger
        self._forget()
        self._next = 0.0

    def _forget(self) -> None:
        # Each pool compares its own tenants only. Otherwise a tenant that waits for a pool without workers, or for a
        # busy one, would have the slowest clock of all, and every tenant of the other pool would be ahead of it.
        self._clocks: dict[str, VirtualClocks] = defaultdict(VirtualClocks)
        self._running: dict[UUID, float] | None = None
        self._in_rings: dict[str, set[UUID]] = {}
        self._is_told = False

    async def look(self) -> None:
        """Tell the workers which tenants to skip. Do nothing if the last look was less than 0.5 s ago.

        Raises ``RedisError``.
        """
        now = asyncio.get_running_loop().time()
        if now < self._next:
            return
        in_rings = await tickets.tenants_in_rings(self._redis)
        interval = max(_INTERVAL, _INTERVAL_PER_TENANT * sum(map(len, in_rings.values())))
        self._next = now + interval
        # A tenant whose only ticket is being served leaves the ring for a moment. It still counts as waiting, so the
        # tenants of the look before are added.
        waiting = {pool: tenants | self._in_rings.get(pool, set()) for pool, tenants in in_rings.items()}
        self._in_rings = in_rings
        if any(waiting.values()):
            # A single tenant is judged too. It is never skipped, because its own clock is the slowest.
            await self._judge(waiting, interval)
            return
        if self._is_told:
            await tickets.pass_over(self._redis, {}, seconds=interval)
        self._forget()

    async def _judge(self, waiting: Mapping[str, set[UUID]], interval: float) -> None:
        used = await self._used()
        tenants = set[UUID]().union(*waiting.values(), used)
        weights = await sweep_store.weights_any_tenant(self._connection, tenants)
        # Seconds that a tenant uses in one pool count in the other pool too. A pool in which nobody waits loses its
        # clocks, so no tenant keeps a debt there.
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
            # The first look after a quiet time: seconds that were used while no tenant waited do not count.
            return {}
        # A running attempt counts from look to look: its seconds so far, minus those of the look before.
        tenants = ended.keys() | running.keys() | before.keys()
        return {t: ended.get(t, 0.0) + running.get(t, 0.0) - before.get(t, 0.0) for t in tenants}
