"""Limit how many deliveries are claimed: for one endpoint, of one tenant, in the process (pure).

An endpoint is a URL of one tenant. A URL that hangs can fill its own limit, and a tenant at most a share of what is
free, so that places never run out for the others.
"""

from collections import Counter, OrderedDict
from typing import Any, Final
from uuid import UUID

from app.webhooks.url_key import EndpointKey

TOTAL: Final = 512
PER_TENANT: Final = 16
PER_ENDPOINT: Final = 4
MAX_AHEAD: Final = PER_TENANT - PER_ENDPOINT
"""Claims of an endpoint that answers fast: all but four of them wait for their turn, which costs no claim then."""
_FAST: Final = 0.1
"""Seconds within which such an endpoint answers."""
MAX_UNRECORDED: Final = 128
"""Answers of a tenant that are not recorded yet. While Postgres holds those of one back, others keep their places."""
_FREE_PER_PLACE: Final = 8
"""A tenant may take one in so many of the free places."""
_MAX_LIMITS: Final = 10_000


class EndpointConcurrency:
    """The places of one process, and who has taken them. Another process has its own."""

    def __init__(self, total: int = TOTAL) -> None:
        """``total`` is how many places there are."""
        self.free = total
        """Places that are not taken."""
        self._held: Counter[EndpointKey] = Counter()
        self._held_by: Counter[UUID] = Counter()
        self._unrecorded: Counter[UUID] = Counter()
        # Limits of endpoints that do not keep up, and of fast ones, the latest last. Bounded: tenants use any number
        # of URLs.
        self._limits: OrderedDict[EndpointKey, int] = OrderedDict()

    def take(self, endpoint: EndpointKey, *, most: int = PER_TENANT) -> bool:
        """Take a place for a delivery; False when the endpoint, its tenant (at ``most``) or the process has none."""
        is_open = self.free > 0 and not self.is_full(endpoint[0], most) and self._held[endpoint] < self.limit(endpoint)
        if is_open:
            self._held[endpoint] += 1
            self._held_by[endpoint[0]] += 1
            self.free -= 1
        return is_open

    def leave(self, endpoint: EndpointKey) -> None:
        """Give back the place at an endpoint and of its tenant: there is an answer. ``end`` follows."""
        _decrease(self._held, endpoint)
        _decrease(self._held_by, endpoint[0])
        self._unrecorded[endpoint[0]] += 1

    def end(self, endpoint: EndpointKey) -> None:
        """Give back the place of the process: the answer is recorded."""
        _decrease(self._unrecorded, endpoint[0])
        self.free += 1

    def give_back(self, endpoint: EndpointKey) -> None:
        """Give back a whole place."""
        self.leave(endpoint)
        self.end(endpoint)

    def record_result(self, endpoint: EndpointKey, seconds: float, *, is_keeping_up: bool) -> None:
        """Lower the limit of an endpoint that does not keep up to one; double it each time that it does.

        Only one that answered fast, within ``seconds``, gets more than the usual limit.
        """
        if is_keeping_up:
            most = MAX_AHEAD if seconds <= _FAST else PER_ENDPOINT
            self._set_limit(endpoint, min(self.limit(endpoint) * 2, most))
        else:
            # One and not none: only an attempt can show that the endpoint is well again.
            self._set_limit(endpoint, 1)

    def end_rush(self, endpoint: EndpointKey) -> None:
        """Take what was more than the usual limit of an endpoint: it answers no longer as fast as it did."""
        self._set_limit(endpoint, min(self.limit(endpoint), PER_ENDPOINT))

    def _set_limit(self, endpoint: EndpointKey, limit: int) -> None:
        self._limits.pop(endpoint, None)
        if limit != PER_ENDPOINT:
            self._limits[endpoint] = limit
            if len(self._limits) > _MAX_LIMITS:
                self._limits.popitem(last=False)

    def limit(self, endpoint: EndpointKey) -> int:
        """Return how many deliveries to an endpoint may be claimed at once."""
        return self._limits.get(endpoint, PER_ENDPOINT)

    def is_full(self, tenant_id: UUID, most: int = PER_TENANT) -> bool:
        """Tell whether a tenant has taken its share."""
        # A share of what is free, and not a fixed number: the fewer places are left, the less a tenant can take.
        share = min(most, max(1, self.free // _FREE_PER_PLACE))
        return self._held_by[tenant_id] >= share or self._unrecorded[tenant_id] >= MAX_UNRECORDED

    def full_tenants(self) -> list[UUID]:
        """Return the tenants that have taken their share."""
        return [tenant_id for tenant_id in self._held_by | self._unrecorded if self.is_full(tenant_id)]


def _decrease(counter: Counter[Any], key: object) -> None:
    counter[key] -= 1
    if not counter[key]:
        del counter[key]
