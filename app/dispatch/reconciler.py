"""Restore what Redis has lost: a ticket for each tenant with due work, and a place in the ring for each ticket."""

from redis.asyncio import Redis

from app.broker import redis_identity, tickets
from app.db import Connection
from app.tasks import sweep_store


class Reconciler:
    """Brings Redis in line with Postgres, and remembers which Redis it has seen."""

    def __init__(self, connection: Connection, redis: Redis) -> None:
        """``connection`` is the leader's own."""
        self._connection = connection
        self._redis = redis
        self._redis_identity = ""

    async def has_redis_lost(self) -> bool:
        """Return whether Redis was restarted, replaced or emptied since the last call. Raises ``RedisError``."""
        before, self._redis_identity = self._redis_identity, await redis_identity.read(self._redis)
        return before != self._redis_identity

    async def reconcile(self) -> None:
        """Offer a ticket for each tenant that has due work, a free slot and no ticket; repair the ring."""
        due = await sweep_store.tenants_with_due_work_any_tenant(self._connection)
        await tickets.offer_many(self._redis, [(tenant_id, pool, 1) for tenant_id, pool in due], limit=1)
        await tickets.reconcile(self._redis, [tenant_id for tenant_id, _ in due])
