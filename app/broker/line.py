"""The line as a worker's slots see it: whoever has room takes the next tickets itself, without Celery between."""

import logging
from collections.abc import Collection
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker.envelope import queue_of
from app.broker.ring import RINGS, TAKE, tenant_of

VISIT_SECONDS: Final = 0.25
"""For so long a slot takes from the line by itself, before it hands its place back to Celery."""

_log = logging.getLogger(__name__)


class Line:
    """Those who stand in the rings that this worker consumes."""

    def __init__(self, redis: Redis, queues: Collection[str]) -> None:
        """``queues`` are what the worker was told to consume: where it is not the ring, its line is not looked at."""
        self._redis = redis
        self._queues = queues

    async def take(self, pool: str, most: int) -> list[UUID]:
        """Take a ticket of each of the next tenants, up to ``most``, in their order; none where Redis is away."""
        ring = RINGS[pool]
        if ring.queue not in self._queues:
            return []
        try:
            taken: list[bytes] = await TAKE.run(self._redis, [ring.order, ring.members, ring.ahead], [most, ""])
        except (RedisError, OSError) as error:
            _log.debug("no ticket taken", extra={"error": repr(error)})
            return []
        # A tenant with several tickets may be there twice: its turn is one, and what it lets lie is offered again.
        return [*dict.fromkeys(tenant_id for ticket in taken if (tenant_id := tenant_of(queue_of(ticket))))]
