"""Keep the last free slot of each pool for short tasks.

Once a second the leader writes how many slots each tenant with long tasks may have. Claims only read these caps.
"""

import asyncio
import logging
from typing import Final
from uuid import UUID

from app.broker.ring import RINGS
from app.dispatch import slot_store
from app.dispatch.leadership import Lead
from app.dispatch.ledger import Ledger
from app.dispatch.long_task_caps import LongTaskCaps, LongTenant
from app.dispatch.slot_store import PoolUsage

_log = logging.getLogger(__name__)

INTERVAL: Final = 1.0
"""Seconds between two looks."""
# Due tasks are counted up to this number for each tenant: no more than that can start between two looks.
_MAX_WAITING: Final = 64


class SlotReserve:
    """Counts slots once a second, so that claims need not count. A new leader starts without its memory."""

    def __init__(self, lead: Lead, ledger: Ledger) -> None:
        """``lead`` has the connection and the token of the lease; ``ledger`` knows the run times of ended attempts."""
        self._connection, self._fence = lead.connection, lead.token
        self._lengths = ledger.lengths
        self._caps = {pool: LongTaskCaps() for pool in RINGS}
        self._slots: dict[str, int] = {}
        # None: this leader has not looked yet, and an earlier one may have left pools behind.
        self._capped: set[str] | None = None
        self._long_types: set[str] | None = None
        self._looked_at = 0.0

    async def look(self) -> list[tuple[UUID, str]]:
        """Set the caps of all tenants again; return the tenants and pools that may start more tasks than before."""
        now = asyncio.get_running_loop().time()
        # Bounded: after a pause of the leader nobody knows how many slots each tenant had meanwhile.
        seconds, self._looked_at = min(now - self._looked_at, 2 * INTERVAL), now
        long_types = await self._types()
        slots = await slot_store.slots_any_tenant(self._connection)
        self._log_single_slots(slots)
        judged = await slot_store.pool_usage_any_tenant(self._connection, sorted(long_types), _MAX_WAITING)
        raised = []
        for pool, caps in self._caps.items():
            found = [one for one in judged if one.pool == pool]
            raised += await self._judge(pool, slots.get(pool, 0), found, caps, seconds)
        await self._keep_pools({pool for pool in slots if slots[pool] > 1})
        return raised

    async def _keep_pools(self, capped: set[str]) -> None:
        # A pool with a single slot has no caps: otherwise long tasks would never start there.
        if capped != self._capped:
            await slot_store.forget_pools_any_tenant(self._connection, sorted(capped), self._fence)
            self._capped = capped

    async def _types(self) -> set[str]:
        # The first look of a leader begins with the types that an earlier one has stored.
        if self._long_types is None:
            self._long_types = await slot_store.long_types_any_tenant(self._connection)
            self._lengths.remember(self._long_types)
        long_types = self._lengths.long_types()
        if long_types != self._long_types:
            await slot_store.set_long_types_any_tenant(self._connection, sorted(long_types), self._fence)
            self._long_types = long_types
        return long_types

    async def _judge(
        self, pool: str, slots: int, found: list[PoolUsage], caps: LongTaskCaps, seconds: float
    ) -> list[tuple[UUID, str]]:
        long = [LongTenant(one.tenant_id, one.held, one.waiting, one.weight) for one in found if one.is_long]
        shares, free = caps.share(slots, long, seconds) if slots > 1 else ({}, 0)
        # Only caps that differ are written: mostly none do, and a write locks rows that claims need.
        changed = {one.tenant_id: shares.get(one.tenant_id) for one in found if shares.get(one.tenant_id) != one.cap}
        await slot_store.set_caps_any_tenant(self._connection, pool, changed, self._fence)
        if slots > 1:
            await slot_store.write_pool_any_tenant(self._connection, pool, slots, free, self._fence)
        return [(one.tenant_id, pool) for one in found if one.waiting and _is_raised(one, changed)]

    def _log_single_slots(self, slots: dict[str, int]) -> None:
        if slots != self._slots:
            # Logged once when a pool comes down to a single slot, not with every look.
            for pool in (pool for pool, count in slots.items() if count == 1 != self._slots.get(pool)):
                _log.info("a pool of one slot keeps none free: a long task lets all others wait", extra={"pool": pool})
            self._slots = slots


def _is_raised(one: PoolUsage, changed: dict[UUID, int | None]) -> bool:
    if one.cap is None or one.tenant_id not in changed:
        return False
    cap = changed[one.tenant_id]
    return cap is None or cap > one.cap
