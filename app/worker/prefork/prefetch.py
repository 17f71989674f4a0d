"""How many tasks a slot may claim at once, and of how many tenants (pure): several while they are short, else one."""

from collections import OrderedDict, deque
from typing import Final
from uuid import UUID

_AHEAD: Final = 0.010
"""Seconds of work that may wait in a slot behind what runs there."""
_MOST: Final = 32
_RUNS: Final = 8
_TENANTS: Final = 1_000


class PrefetchLimit:
    """What one slot has seen of how long tasks run."""

    def __init__(self) -> None:
        """Nothing seen yet: one at a time."""
        self._runs: OrderedDict[UUID, deque[float]] = OrderedDict()
        self._of_all: deque[float] = deque(maxlen=_RUNS)

    def note(self, tenant_id: UUID, seconds: float) -> None:
        """Remember how long a task of this tenant has run."""
        self._of_all.append(seconds)
        self._runs.setdefault(tenant_id, deque(maxlen=_RUNS)).append(seconds)
        self._runs.move_to_end(tenant_id)
        if len(self._runs) > _TENANTS:
            self._runs.popitem(last=False)

    def limit(self, tenant_id: UUID) -> int:
        """Return how many to claim: as many as the slowest of the tenant's last few allows."""
        return _limit(self._runs.get(tenant_id))

    def tenants(self) -> int:
        """Return how many tenants may have turns together: as many as the slowest of the last few tasks allows."""
        return _limit(self._of_all)


def _limit(runs: deque[float] | None) -> int:
    if not runs:
        return 1
    return max(1, min(_MOST, int(_AHEAD / max(*runs, _AHEAD / _MOST))))
