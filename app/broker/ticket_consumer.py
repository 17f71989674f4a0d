"""Consume tickets from a ring by asyncio: a free slot waits for the next tenants itself, without Celery."""

import logging
from collections.abc import Collection
from typing import Final
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError

from app.broker import envelope
from app.broker.ring import RINGS, Ring, tenant_of
from app.broker.take import TakenTicket, wait_and_take
from app.core.log_limiter import LogLimiter
from app.core.redis import reason

CONSUME_SECONDS: Final = 0.5
"""Seconds for which a slot consumes the ring itself before its Celery job ends."""
# For Redis a timeout of 0 means to wait without end.
_MIN_TIMEOUT: Final = 0.001

_log_limiter = LogLimiter(logging.getLogger(__name__))


class TicketConsumer:
    """Takes tickets from the rings that this worker consumes."""

    def __init__(self, redis: Redis, queues: Collection[str]) -> None:
        """``queues`` are the queues that the worker consumes (``-Q``). Tickets of other rings are never taken."""
        self._redis = redis
        self._queues = queues
        # Kept between two calls, because the pool would check it each time, which costs as much as the call. The client
        # closes it when it is closed itself.
        self._idle: AbstractConnection | None = None

    async def take(self, pool: str, max_tickets: int, *, seconds: float) -> list[UUID]:
        """Wait up to ``seconds`` for a tenant in the pool's ring, then take a ticket of each of the next tenants.

        Return up to ``max_tickets`` tenants in the ring's order; none if nobody came or Redis is unavailable.
        """
        ring = RINGS[pool]
        if ring.queue not in self._queues:
            return []
        try:
            taken = await self._take(ring, max_tickets, max(seconds, _MIN_TIMEOUT))
        except (RedisError, OSError) as error:
            # The slot's job ends. Celery's own connection then waits for Redis to return.
            _log_limiter.warn("no ticket taken", reason=reason(error))
            return []
        # A tenant with several tickets may occur twice. It is served once: if more tasks are due, another ticket is
        # offered for them.
        return [*dict.fromkeys(tenant_id for one in taken if (tenant_id := _read_tenant(one)))]

    async def _take(self, ring: Ring, max_tickets: int, seconds: float) -> list[TakenTicket]:
        pool = self._redis.connection_pool
        connection, self._idle = self._idle, None
        if connection is None:
            connection = await pool.get_connection()  # type: ignore[no-untyped-call]
        try:
            taken = await wait_and_take(
                connection, ring, max_tickets, seconds=seconds, moved_key=f"{ring.queue}:moved:{uuid4()}"
            )
        except BaseException:
            # Replies may still come, or Redis may still wait.
            await connection.disconnect(nowait=True)
            await pool.release(connection)
            raise
        if self._idle is None:
            self._idle = connection
        else:
            await pool.release(connection)
        return taken


def _read_tenant(taken: TakenTicket) -> UUID | None:
    return tenant_of(taken.queue) if envelope.read_or_warn(taken.ticket, taken.queue) else None
