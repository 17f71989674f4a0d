"""The line as a worker's slots see it: whoever has room waits for the next tickets itself, without Celery between."""

import logging
from collections.abc import Collection
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import envelope
from app.broker.ring import RINGS, TAKE, Ring, tenant_of
from app.core.redis import reason
from app.core.seldom import Seldom

VISIT_SECONDS: Final = 0.5
"""For so long a slot takes from the line by itself, and waits at it, before it hands its place back to Celery."""
# To Redis, 0 would be for ever.
_SHORTEST_WAIT: Final = 0.001

_seldom = Seldom(logging.getLogger(__name__))


class Line:
    """Those who stand in the rings that this worker consumes."""

    def __init__(self, redis: Redis, queues: Collection[str]) -> None:
        """``queues`` are what the worker was told to consume: where it is not the ring, its line is not looked at."""
        self._redis = redis
        self._queues = queues

    async def take(self, pool: str, most: int, *, seconds: float) -> list[UUID]:
        """Wait up to ``seconds`` for somebody in line, then take a ticket of each of the next tenants, up to ``most``.

        They come in their order. None where nobody came, or Redis is away.
        """
        ring = RINGS[pool]
        if ring.queue not in self._queues:
            return []
        try:
            taken = await self._take(ring, most, max(seconds, _SHORTEST_WAIT))
        except (RedisError, OSError) as error:
            _seldom.warn("no ticket taken", reason=reason(error))
            return []
        # A tenant with several tickets may be there twice: its turn is one, and what it lets lie is offered again.
        return [*dict.fromkeys(tenant_id for queue, ticket in taken if (tenant_id := _tenant_of(ticket, queue)))]

    async def _take(self, ring: Ring, most: int, seconds: float) -> list[tuple[str, bytes]]:
        # Of all who wait, Redis wakes who has waited longest. What that takes out of the line, the take puts back.
        found: Any = await self._redis.brpop([ring.order], timeout=seconds)
        if found is None:
            return []
        taken = await TAKE.run(self._redis, [ring.order, ring.members, ring.ahead], [most, found[1].decode()])
        return [(queue.decode(), ticket) for queue, ticket in zip(taken[::2], taken[1::2], strict=True)]


def _tenant_of(ticket: bytes, queue: str) -> UUID | None:
    return tenant_of(queue) if envelope.read_or_warn(ticket, queue) else None
