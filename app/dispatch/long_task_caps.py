"""Share a pool's slots among the tenants with long tasks, by weight, but never the last free slot (pure).

A task type is long if more than half of its recent attempts ran for more than a second. A tenant counts as long while
one of its attempts has run for more than a second, or while a task of a long type runs or waits. All other tenants need
no share: a slot that they take is free again within a second.
"""

import heapq
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Final
from uuid import UUID

# Attempts of a task type that count as recent. The influence of earlier ones decreases.
_RECENT: Final = 50.0
# The number of attempts that the finding of an earlier leader counts for. A few new attempts outweigh it.
_REMEMBERED: Final = 4.0
# Task types that are remembered; the one that ran longest ago is forgotten first.
_MAX_TYPES: Final = 1_000


class TaskDurations:
    """Decides which task types are long, by the run times of their recent attempts."""

    def __init__(self) -> None:
        """Begin without any attempts."""
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def remember(self, long_types: Iterable[str]) -> None:
        """Begin with the long types that an earlier leader has found."""
        for task in long_types:
            self._seen.setdefault(task, (_REMEMBERED, _REMEMBERED))

    def note(self, task: str, attempts: int, long_attempts: int) -> None:
        """Add attempts that have ended, and how many of them ran for more than a second."""
        # ``pop`` moves the type to the end, so that the first one is the one that ran longest ago.
        seen, long = self._seen.pop(task, (0.0, 0.0))
        # Older attempts keep just so much weight that all together count as 50 attempts.
        kept = max(0.0, min(1.0, (_RECENT - attempts) / seen)) if seen else 0.0
        self._seen[task] = seen * kept + attempts, long * kept + long_attempts
        if len(self._seen) > _MAX_TYPES:
            self._seen.popitem(last=False)

    def long_types(self) -> set[str]:
        """Return the types whose recent median is longer than a second."""
        return {task for task, (seen, long) in self._seen.items() if 2 * long > seen}


@dataclass(frozen=True, slots=True)
class LongTenant:
    """A tenant with long tasks in one pool."""

    tenant_id: UUID
    held: int
    """Slots that its long attempts use now."""
    waiting: int
    """Due tasks that wait for a slot."""
    weight: int


class LongTaskCaps:
    """Shares one pool's slots. It remembers how many slots each tenant had; a new leader starts without that."""

    def __init__(self) -> None:
        """Begin as if no tenant had had a slot."""
        # Slot seconds that each tenant had, divided by its weight: the tenant with the least gets the next slot.
        self._clocks: dict[UUID, float] = {}
        self._caps: dict[UUID, int] = {}

    def share(self, slots: int, tenants: Sequence[LongTenant], seconds: float) -> tuple[dict[UUID, int], int]:
        """Return each tenant's cap, and the number of slots left for tenants whose long tasks come next.

        ``seconds`` have passed since the last call. A tenant above its share keeps the slots it has and gets no more. A
        tenant below its share gets free slots, but all tenants together never take the last free one. Slots that nobody
        needs now are spread over all tenants, so that a task submitted before the next call need not wait for it.
        """
        self._advance_clocks(tenants, seconds)
        # One slot stays free for short tasks.
        fair = self._fair(slots - 1, tenants)
        free = max(0, slots - 1 - sum(tenant.held for tenant in tenants))
        caps = {}
        # The tenant with the fewest slots for its weight comes first: free slots may not suffice for all.
        for tenant in sorted(tenants, key=lambda tenant: (tenant.held / tenant.weight, self._clocks[tenant.tenant_id])):
            more = min(free, max(0, fair[tenant.tenant_id] - tenant.held))
            free -= more
            caps[tenant.tenant_id] = min(tenant.held, fair[tenant.tenant_id]) + more
        # An equal part of the rest is kept for a tenant that has no long tasks yet.
        spread = free * len(tenants) // (len(tenants) + 1)
        for tenant in islice(cycle(sorted(tenants, key=lambda one: caps[one.tenant_id] / one.weight)), spread):
            caps[tenant.tenant_id] += 1
        self._caps = caps
        return caps, free - spread

    def _advance_clocks(self, tenants: Sequence[LongTenant], seconds: float) -> None:
        # A new tenant starts at the clock of the tenant that had least: it has neither credit nor debt.
        least = min((self._clocks[t.tenant_id] for t in tenants if t.tenant_id in self._clocks), default=0.0)
        self._clocks = {
            tenant.tenant_id: self._clocks.get(tenant.tenant_id, least) + self._had(tenant) * seconds / tenant.weight
            for tenant in tenants
        }

    def _had(self, tenant: LongTenant) -> int:
        """Return how many slots a tenant had since the last call.

        An attempt of a long type may be short and end before anybody sees it. So a tenant with due tasks counts as if
        it had used all slots that its cap allows.
        """
        given = min(self._caps.get(tenant.tenant_id, 0), tenant.held + tenant.waiting)
        return max(tenant.held, given)

    def _fair(self, room: int, tenants: Sequence[LongTenant]) -> dict[UUID, int]:
        """Return each tenant's fair number of slots.

        Each slot goes to the tenant with the fewest slots for its weight; if several have equally few, to the one that
        had least so far. No tenant gets more than it can use.
        """
        # A heap, because the pool may have thousands of slots: O(slots * log tenants).
        fair = dict.fromkeys((tenant.tenant_id for tenant in tenants), 0)
        heap = [(0.0, self._clocks[t.tenant_id], t.tenant_id, t) for t in tenants if t.held + t.waiting > 0]
        heapq.heapify(heap)
        for _ in range(room):
            if not heap:
                break
            _, clock, tenant_id, tenant = heapq.heappop(heap)
            fair[tenant_id] += 1
            if fair[tenant_id] < tenant.held + tenant.waiting:
                heapq.heappush(heap, (fair[tenant_id] / tenant.weight, clock, tenant_id, tenant))
        return fair
