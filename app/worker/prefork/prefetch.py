"""Compute how many tasks a slot may claim at once, and for how many tenants: several if the tasks are short (pure)."""

from collections import OrderedDict, deque
from typing import Final
from uuid import UUID

_WAITING_SECONDS: Final = 0.010
"""Seconds of work that may wait in a slot behind the running task."""
_MAX_LIMIT: Final = 32
# Measurements that are kept for each tenant. One long task is enough to lower the limit until 8 short ones follow.
_MEASUREMENTS: Final = 8
# Tenants that are remembered; the one that ran longest ago is forgotten first.
_MAX_TENANTS: Final = 1_000


class PrefetchLimit:
    """Remembers how long the last tasks of each tenant took in one slot."""

    def __init__(self) -> None:
        """Begin without measurements: then every limit is 1."""
        self._runs: OrderedDict[UUID, deque[float]] = OrderedDict()
        self._of_all: deque[float] = deque(maxlen=_MEASUREMENTS)

    def note(self, tenant_id: UUID, seconds: float) -> None:
        """Remember how many seconds a task of this tenant took."""
        self._of_all.append(seconds)
        self._runs.setdefault(tenant_id, deque(maxlen=_MEASUREMENTS)).append(seconds)
        self._runs.move_to_end(tenant_id)
        if len(self._runs) > _MAX_TENANTS:
            self._runs.popitem(last=False)

    def limit(self, tenant_id: UUID) -> int:
        """Return how many tasks to claim for a tenant. The slowest of its last 8 tasks decides."""
        return _limit(self._runs.get(tenant_id))

    def tenants(self) -> int:
        """Return for how many tenants to claim together. The slowest of the last 8 tasks of all tenants decides."""
        return _limit(self._of_all)


def _limit(runs: deque[float] | None) -> int:
    if not runs:
        return 1
    # The lower bound for the slowest run keeps the division finite; it corresponds to the maximum.
    return max(1, min(_MAX_LIMIT, int(_WAITING_SECONDS / max(*runs, _WAITING_SECONDS / _MAX_LIMIT))))
