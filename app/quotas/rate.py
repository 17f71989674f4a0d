"""Count the rate of a tenant's calls over all processes: by a script in Redis, or without Redis in each process."""

from collections import OrderedDict
from collections.abc import Sequence
from time import monotonic_ns
from typing import Final, TypeAlias
from uuid import UUID

from redis.asyncio import Redis

from app.broker.script import Script
from app.broker.script_connection import ScriptConnection
from app.core.batcher import Batcher
from app.quotas import limits
from app.quotas.breaker import Breaker
from app.quotas.limits import Rate, RateDecision

_MAX_TENANTS: Final = 10_000
# Requests in one call of the script: it bounds how long the script blocks Redis.
_MAX_GROUP: Final = 128

_Request: TypeAlias = tuple[str, Rate]
_Reply: TypeAlias = tuple[bool, int] | None

# Decides several requests in their order by GCRA, as app/quotas/limits.py does, but by the clock of Redis.
# KEYS: for each request the key of its tenant's theoretical time of arrival.
# ARGV: for each request the interval and the tolerance, in µs.
# Returns. For each request 1 if it is allowed, else 0, and by how many µs the time of arrival is ahead afterwards.
_ASK: Final = Script("""
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local replies = {}
for index, key in ipairs(KEYS) do
    local interval, tolerance = tonumber(ARGV[2 * index - 1]), tonumber(ARGV[2 * index])
    local arrival = tonumber(redis.call('GET', key)) or 0
    local ahead = math.min(math.max(arrival - now, 0), tolerance)
    local is_allowed = ahead + interval <= tolerance
    if is_allowed then
        ahead = ahead + interval
    end
    -- Also written if it was cut: otherwise a clock that has stepped back would lock a tenant out until it catches up.
    if is_allowed or arrival > now + tolerance then
        redis.call('SET', key, string.format('%.0f', now + ahead), 'PX', math.ceil(ahead / 1000) + 1000)
    end
    replies[2 * index - 1] = is_allowed and 1 or 0
    replies[2 * index] = ahead
end
return replies
""")


class Rates:
    """Decides requests by the tenants' rates, in one process."""

    def __init__(self, redis: Redis | ScriptConnection, *, prefix: str = "rate") -> None:
        """``redis`` may be unavailable: then each process counts for itself, starting from the last known values.

        ``prefix`` begins the keys in Redis. Rates of different things have different ones.
        """
        self._redis = redis
        self._prefix = prefix
        self._breaker = Breaker(redis)
        # The theoretical time of arrival of each tenant, in µs of the monotonic clock, as far as this process knows.
        self._arrivals: OrderedDict[UUID, int] = OrderedDict()
        # Requests that arrive during one round trip share the next one. Under load this costs a fifth.
        self._requests: Batcher[_Request, _Reply] = Batcher(self._send, max_items=_MAX_GROUP, timeout=None)

    async def ask(self, tenant_id: UUID, rate: Rate) -> RateDecision:
        """Return the decision on one request of a tenant. A refused request does not use up any of the rate."""
        here = self._ask_here(tenant_id, rate)
        # The time of arrival in Redis is never earlier than the one known here, so a refusal here needs no Redis.
        if here.is_allowed and not self._breaker.is_open:
            # Before the round trip, so that its time never makes the known arrival later than that of Redis.
            now = _now()
            reply = await self._requests.ask((f"{self._prefix}.{tenant_id}", rate))
            if reply is not None:
                is_allowed, ahead = reply
                self._remember(tenant_id, now + ahead)
                return limits.decided(rate, ahead, is_allowed=is_allowed)
            # Redis did not answer. While this request waited, others were counted here, so it is decided again.
            here = self._ask_here(tenant_id, rate)
        if here.is_allowed:
            self._remember(tenant_id, _now() + here.ahead)
        return here

    async def _send(self, group: Sequence[_Request]) -> Sequence[_Reply]:
        # It may have opened while this group waited for the one before it.
        if self._breaker.is_open:
            return [None] * len(group)
        keys = [key for key, _ in group]
        args = [str(number) for _, rate in group for number in (rate.interval, rate.tolerance)]
        said = await self._breaker.ask(_ASK.run(self._redis, keys, args))
        if said is None:
            return [None] * len(group)
        return [(is_allowed == 1, ahead) for is_allowed, ahead in zip(said[::2], said[1::2], strict=True)]

    def close(self) -> None:
        """Stop asking Redis."""
        self._breaker.close()
        self._requests.cancel()

    def _ask_here(self, tenant_id: UUID, rate: Rate) -> RateDecision:
        return limits.ask(rate, self._arrivals.get(tenant_id, 0), _now())

    def _remember(self, tenant_id: UUID, arrival: int) -> None:
        # Bounded: the tenant that called longest ago is forgotten, because its bucket is the fullest.
        self._arrivals[tenant_id] = max(arrival, self._arrivals.get(tenant_id, 0))
        self._arrivals.move_to_end(tenant_id)
        if len(self._arrivals) > _MAX_TENANTS:
            self._arrivals.popitem(last=False)


def _now() -> int:
    # The monotonic clock: a wall clock that is set would give or take a burst.
    return monotonic_ns() // 1_000
