"""How many of a tenant's tasks a slot may claim at once (pure): several while they are short, else one."""

from collections import OrderedDict, deque
from typing import Final
from uuid import UUID

_AHEAD: Final = 0.010
"""Seconds of work that may wait in a slot behind what runs there."""
_MOST: Final = 32
_RUNS: Final = 8
_TENANTS: Final = 1_000


class Pace:
    """What one slot has seen of how long tasks run."""

    def __init__(self) -> None:
        """Nothing seen yet: one at a time."""
        self._runs: OrderedDict[UUID, deque[float]] = OrderedDict()

    def note(self, tenant_id: UUID, seconds: float) -> None:
        """Remember how long a task of this tenant has run."""
        self._runs.setdefault(tenant_id, deque(maxlen=_RUNS)).append(seconds)
        self._runs.move_to_end(tenant_id)
        if len(self._runs) > _TENANTS:
            self._runs.popitem(last=False)

    def limit(self, tenant_id: UUID) -> int:
        """Return how many to claim: as many as the slowest of the tenant's last few allows."""
        runs = self._runs.get(tenant_id)
        if not runs:
            return 1
        return max(1, min(_MOST, int(_AHEAD / max(*runs, _AHEAD / _MOST))))
