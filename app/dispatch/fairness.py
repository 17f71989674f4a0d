"""Decide which tenants had more than their share of the workers (pure).

The algorithm is weighted fair queueing by worker seconds. Each tenant has a virtual clock, which advances by the worker
seconds that the tenant uses, divided by its weight. A waiting tenant whose clock is ahead of the slowest waiting one is
skipped while others wait. A tenant that was away starts at the slowest clock: it has neither credit nor debt.
"""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

LEAD: Final = 0.25
"""Worker seconds, divided by the weight, that a clock may be ahead: about what is used between two looks."""
# The largest lead that is remembered: it bounds how long a tenant is skipped after one very long task.
_MAX_LEAD: Final = 30.0


class VirtualClocks:
    """The virtual clocks, in worker seconds divided by weight. If they are lost, all tenants are equal again."""

    def __init__(self) -> None:
        """Begin without any tenant."""
        self._clocks: dict[UUID, float] = {}
        self._slowest = 0.0
        """The slowest clock of the tenants that waited at the last look. It never goes back."""

    def look(self, used: Mapping[UUID, float], weights: Mapping[UUID, int], waiting: Collection[UUID]) -> set[UUID]:
        """Return the waiting tenants that are ahead of their share.

        ``used`` has each tenant's worker seconds since the last look, ``weights`` the weights of these tenants (1 if
        missing), ``waiting`` the tenants with due tasks.
        """
        for tenant_id, seconds in used.items():
            self._clocks[tenant_id] = self._clock(tenant_id) + max(0.0, seconds) / weights.get(tenant_id, 1)
        for tenant_id in waiting:
            self._clocks[tenant_id] = self._clock(tenant_id)
        if not waiting:
            return set()
        self._slowest = max(self._slowest, min(self._clocks[tenant_id] for tenant_id in waiting))
        self._forget(waiting)
        return {tenant_id for tenant_id in waiting if self._clocks[tenant_id] > self._slowest + LEAD}

    def _clock(self, tenant_id: UUID) -> float:
        # Bounded at both ends: unused time cannot be saved up, and no tenant is skipped for long.
        return min(max(self._clocks.get(tenant_id, 0.0), self._slowest), self._slowest + _MAX_LEAD)

    def _forget(self, waiting: Collection[UUID]) -> None:
        # A clock at the slowest one is the default, so it need not be kept: memory follows the tenants that wait.
        gone = [t for t, clock in self._clocks.items() if clock <= self._slowest and t not in waiting]
        for tenant_id in gone:
            del self._clocks[tenant_id]
