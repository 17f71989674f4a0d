"""Who has had more than its share of the workers (pure): weighted fair queueing by worker seconds.

Each tenant has a clock that its use of the workers turns, by its weight more slowly. Those whose clock is ahead of the
slowest who waits are to be passed over while others wait. Who was away begins at the slowest clock: it has saved up
nothing, and owes nothing.
"""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

LEAD: Final = 0.25
"""Worker seconds, by weight, that a clock may be ahead: about what is used between two looks."""
_LONGEST: Final = 30.0


class Shares:
    """The clocks, in worker seconds by weight. All of it can be lost: then all begin anew, side by side."""

    def __init__(self) -> None:
        """Begin with nobody."""
        self._clocks: dict[UUID, float] = {}
        self._slowest = 0.0
        """Of those who waited at the last look."""

    def look(self, used: Mapping[UUID, float], weights: Mapping[UUID, int], waiting: Collection[UUID]) -> set[UUID]:
        """Return those who wait and are ahead of their share.

        ``used`` are worker seconds since the last look, ``weights`` at least of the same tenants; ``waiting`` have due
        work.
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
        # Bounded at both ends: nobody has a claim on the past, and whoever took much is passed over for a while only.
        return min(max(self._clocks.get(tenant_id, 0.0), self._slowest), self._slowest + _LONGEST)

    def _forget(self, waiting: Collection[UUID]) -> None:
        gone = [t for t, clock in self._clocks.items() if clock <= self._slowest and t not in waiting]
        for tenant_id in gone:
            del self._clocks[tenant_id]
