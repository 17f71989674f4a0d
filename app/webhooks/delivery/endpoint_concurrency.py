"""Limit how many deliveries are in flight: to one endpoint, of one tenant, in the process (pure).

An endpoint is a URL of one tenant. A URL that hangs can fill its own limit, and a tenant at most a share of what is
free, so that places never run out for the others.
"""

from collections import Counter, OrderedDict
from typing import Final
from uuid import UUID

from app.webhooks.url_key import EndpointKey

TOTAL: Final = 512
PER_TENANT: Final = 16
PER_ENDPOINT: Final = 4
_FREE_PER_PLACE: Final = 8
"""A tenant may take one in so many of the free places."""
_MAX_LOWERED: Final = 10_000


class EndpointConcurrency:
    """The places of one process, and who has taken them. Another process has its own."""

    def __init__(self, total: int = TOTAL) -> None:
        """``total`` is how many places there are."""
        self.free = total
        """Places that are not taken."""
        self._held: Counter[EndpointKey] = Counter()
        self._held_by: Counter[UUID] = Counter()
        # Lower limits of endpoints that do not keep up, the latest last. Bounded: tenants use any number of URLs.
        self._lowered: OrderedDict[EndpointKey, int] = OrderedDict()

    def take(self, endpoint: EndpointKey, *, most: int = PER_TENANT) -> bool:
        """Take a place for a delivery; False when the endpoint, its tenant (at ``most``) or the process has none."""
        is_open = self.free > 0 and not self.is_full(endpoint[0], most) and self._held[endpoint] < self.limit(endpoint)
        if is_open:
            self._held[endpoint] += 1
            self._held_by[endpoint[0]] += 1
            self.free -= 1
        return is_open

    def give_back(self, endpoint: EndpointKey) -> None:
        """Give back a place."""
        self._held -= Counter([endpoint])
        self._held_by -= Counter([endpoint[0]])
        self.free += 1

    def record_result(self, endpoint: EndpointKey, *, is_keeping_up: bool) -> None:
        """Lower the limit of an endpoint that does not keep up to one; double it each time that it does."""
        limit = self._lowered.pop(endpoint, PER_ENDPOINT) * 2 if is_keeping_up else 1
        if limit < PER_ENDPOINT:
            self._lowered[endpoint] = limit
            self._lowered.move_to_end(endpoint)
            if len(self._lowered) > _MAX_LOWERED:
                self._lowered.popitem(last=False)

    def limit(self, endpoint: EndpointKey) -> int:
        """Return how many deliveries to an endpoint may be in flight."""
        return self._lowered.get(endpoint, PER_ENDPOINT)

    def is_full(self, tenant_id: UUID, most: int = PER_TENANT) -> bool:
        """Tell whether a tenant has taken its share."""
        return self._held_by[tenant_id] >= min(most, max(1, self.free // _FREE_PER_PLACE))

    def full_tenants(self) -> list[UUID]:
        """Return the tenants that have taken their share."""
        return [tenant_id for tenant_id in self._held_by if self.is_full(tenant_id)]
