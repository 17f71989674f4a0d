"""Restore in Redis what was lost there: a ticket for each tenant with due tasks, and a ring entry for each queue."""

from redis.asyncio import Redis

from app.broker import redis_identity, tickets
from app.db import Connection
from app.tasks import sweep_store


class Reconciler:
    """Restores tickets and rings from Postgres, and remembers which Redis data set it has seen."""

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
        """Offer a ticket to each tenant that has due tasks, a free slot and no ticket. Then repair the rings."""
        # A limit of 1: a tenant that has a ticket already gets no second one.
        due = await sweep_store.tenants_with_due_work_any_tenant(self._connection)
        await tickets.offer_many(self._redis, [(tenant_id, pool, 1) for tenant_id, pool in due], limit=1)
        await tickets.reconcile(self._redis, [tenant_id for tenant_id, _ in due])
