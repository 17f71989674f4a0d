"""How many deliveries may be in flight: of one endpoint, of one tenant, of the process (pure).

A lane is one tenant's endpoint. What hangs takes its own lane's places, and of its tenant's at most a share of what
is free, so that the places never run out for the others.
"""

from collections import Counter, OrderedDict
from typing import Final, TypeAlias
from uuid import UUID

Lane: TypeAlias = tuple[UUID, str]

TOTAL: Final = 512
PER_TENANT: Final = 16
PER_LANE: Final = 4
_SHARE: Final = 8
"""A tenant may hold one of so many free places."""
_REMEMBERED: Final = 10_000


class Lanes:
    """The places that are taken. In memory: another process has its own."""

    def __init__(self, total: int = TOTAL) -> None:
        """Nothing is in flight."""
        self.free = total
        """Places that nobody holds."""
        self._held: Counter[Lane] = Counter()
        self._held_by: Counter[UUID] = Counter()
        # Widths of lanes that do not keep up, the latest last; bounded, since a tenant may name endpoints without end.
        self._narrowed: OrderedDict[Lane, int] = OrderedDict()

    def take(self, lane: Lane, *, most: int = PER_TENANT) -> bool:
        """Take a place for a delivery; False when the lane, its tenant (at ``most``) or the process has none."""
        is_open = self.free > 0 and not self.is_full(lane[0], most) and self._held[lane] < self.width(lane)
        if is_open:
            self._held[lane] += 1
            self._held_by[lane[0]] += 1
            self.free -= 1
        return is_open

    def give_back(self, lane: Lane) -> None:
        """Give back a place."""
        self._held -= Counter([lane])
        self._held_by -= Counter([lane[0]])
        self.free += 1

    def heed(self, lane: Lane, *, is_keeping_up: bool) -> None:
        """Narrow the lane of an endpoint that does not keep up to one at a time; widen it twofold when it does."""
        width = self._narrowed.pop(lane, PER_LANE) * 2 if is_keeping_up else 1
        if width < PER_LANE:
            self._narrowed[lane] = width
            self._narrowed.move_to_end(lane)
            if len(self._narrowed) > _REMEMBERED:
                self._narrowed.popitem(last=False)

    def width(self, lane: Lane) -> int:
        """Return how many of a lane may be in flight."""
        return self._narrowed.get(lane, PER_LANE)

    def is_full(self, tenant_id: UUID, most: int = PER_TENANT) -> bool:
        """Whether a tenant holds its share."""
        return self._held_by[tenant_id] >= min(most, max(1, self.free // _SHARE))

    def full_tenants(self) -> list[UUID]:
        """Return the tenants that hold their share."""
        return [tenant_id for tenant_id in self._held_by if self.is_full(tenant_id)]
