"""Share a pool's slots among tenants with long tasks, by weight, and never the last free slot (pure).

A task type is long when more than half of its recent attempts ran for more than a second; a tenant is, while one of its
attempts has run so long or a task of a long type runs or waits. All other tenants need no share: a slot that they
take is free again within a second.
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
# The weight of what an earlier process found: a few attempts of the new process outweigh it.
_REMEMBERED: Final = 4.0
_MAX_TYPES: Final = 1_000


class TaskDurations:
    """Tells which task types are long, by how long their recent attempts took."""

    def __init__(self) -> None:
        """Begin without any attempts."""
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def remember(self, long_types: Iterable[str]) -> None:
        """Begin with what an earlier process has found."""
        for task in long_types:
            self._seen.setdefault(task, (_REMEMBERED, _REMEMBERED))

    def note(self, task: str, attempts: int, long_attempts: int) -> None:
        """Add attempts that have ended, and how many of them ran for more than a second."""
        seen, long = self._seen.pop(task, (0.0, 0.0))
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
    """Slots that its long attempts have now."""
    waiting: int
    """Due tasks."""
    weight: int


class LongTaskCaps:
    """Shares one pool's slots. It remembers how much each tenant had, which can be lost."""

    def __init__(self) -> None:
        """Begin with tenants that had nothing."""
        self._clocks: dict[UUID, float] = {}
        self._caps: dict[UUID, int] = {}

    def share(self, slots: int, tenants: Sequence[LongTenant], seconds: float) -> tuple[dict[UUID, int], int]:
        """Return each tenant's cap, and how many slots are left for tenants whose long tasks come next.

        ``seconds`` have passed since the last call. A tenant over its share keeps what runs and gets nothing new; one
        below it gets what is free, so that all of them together never take the last free slot. Slots that nobody asks
        for now are spread over all of them: what a tenant submits before the next call does not wait for it.
        """
        self._turn(tenants, seconds)
        fair = self._fair(slots - 1, tenants)
        free = max(0, slots - 1 - sum(tenant.held for tenant in tenants))
        caps = {}
        for tenant in sorted(tenants, key=lambda tenant: (tenant.held / tenant.weight, self._clocks[tenant.tenant_id])):
            more = min(free, max(0, fair[tenant.tenant_id] - tenant.held))
            free -= more
            caps[tenant.tenant_id] = min(tenant.held, fair[tenant.tenant_id]) + more
        spread = free * len(tenants) // (len(tenants) + 1)
        for tenant in islice(cycle(sorted(tenants, key=lambda one: caps[one.tenant_id] / one.weight)), spread):
            caps[tenant.tenant_id] += 1
        self._caps = caps
        return caps, free - spread

    def _turn(self, tenants: Sequence[LongTenant], seconds: float) -> None:
        # A tenant that is new here begins at the clock of the one that had least: without credit, and without debt.
        least = min((self._clocks[t.tenant_id] for t in tenants if t.tenant_id in self._clocks), default=0.0)
        self._clocks = {
            tenant.tenant_id: self._clocks.get(tenant.tenant_id, least) + self._had(tenant) * seconds / tenant.weight
            for tenant in tenants
        }

    def _had(self, tenant: LongTenant) -> int:
        """Return how many slots a tenant had since the last call.

        An attempt of a long type may be short, and end before it is seen. So a tenant with due tasks counts as having
        had all that its cap allows.
        """
        given = min(self._caps.get(tenant.tenant_id, 0), tenant.held + tenant.waiting)
        return max(tenant.held, given)

    def _fair(self, room: int, tenants: Sequence[LongTenant]) -> dict[UUID, int]:
        """Give each slot to the tenant that has the fewest by weight; of several, to the one that had least."""
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
