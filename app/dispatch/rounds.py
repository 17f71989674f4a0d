"""The leader's rounds: offer what falls due, and put right what Redis has lost."""

import asyncio
import logging
from datetime import datetime
from typing import Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker import generation, tickets
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.core.errors import Unavailable
from app.db import AWAY, Connection, Database
from app.dispatch import leadership
from app.tasks import lifecycle, store

_log = logging.getLogger(__name__)

_DUE_INTERVAL: Final = 0.2
_RECONCILE_INTERVAL: Final = 1.5
_STANDBY_INTERVAL: Final = 1.0
_UPKEEP_INTERVAL: Final = 3600.0
_MONTHS_AHEAD: Final = 3
_EXPIRED_AT_ONCE: Final = 200


class Rounds:
    """What one leader remembers between its rounds; all of it can be lost."""

    def __init__(self, connection: Connection, worker: Database, redis: Redis) -> None:
        """Begin to lead: ``connection`` finds (tq_dispatch), ``worker`` ends what was found (tq_worker)."""
        self._connection = connection
        self._worker = worker
        self._redis = redis
        self._looked_until: datetime | None = None
        self._generation = ""
        self._reconcile_at = 0.0
        self._upkeep_at = 0.0

    async def tick(self) -> None:
        """Offer a ticket to whom work has fallen due; every 1.5 s, or when Redis was emptied, to all who lack one."""
        clock = asyncio.get_running_loop().time()
        if clock >= self._upkeep_at:
            await store.make_partitions_any_tenant(self._connection, _MONTHS_AHEAD)
            self._upkeep_at = clock + _UPKEEP_INTERVAL
        # Before Redis is asked: what it does not carry goes on without it.
        await self._end_expired()
        await self._offer_fallen_due()
        if clock >= self._reconcile_at or await self._has_redis_lost():
            await self._reconcile()
            self._reconcile_at = clock + _RECONCILE_INTERVAL

    async def _end_expired(self) -> None:
        for tenant_id, task_id in await store.expired_any_tenant(self._connection, _EXPIRED_AT_ONCE):
            await lifecycle.expire(self._worker, tenant_id, task_id)

    async def _offer_fallen_due(self) -> None:
        since = self._looked_until or await self._connection.fetchval("SELECT now()")
        due, self._looked_until = await store.fallen_due_any_tenant(self._connection, since)
        if due:
            await tickets.offer_many(self._redis, [(tenant_id, pool, 1) for tenant_id, pool in due])

    async def _has_redis_lost(self) -> bool:
        before, self._generation = self._generation, await generation.generation(self._redis)
        return before != self._generation

    async def _reconcile(self) -> None:
        due = await store.tenants_with_due_work_any_tenant(self._connection)
        await tickets.offer_many(self._redis, [(tenant_id, pool, 1) for tenant_id, pool in due], limit=1)
        await tickets.reconcile(self._redis, [tenant_id for tenant_id, _ in due])


async def run(stopping: asyncio.Event) -> None:
    """Lead whenever nobody else does, until told to stop."""
    redis = redis_connections.connect(get_settings().redis_url)
    worker = Database("tq_worker", size=1)
    try:
        while not stopping.is_set():
            try:
                async with leadership.lead() as connection:
                    if connection is not None:
                        await _lead(Rounds(connection, worker, redis), connection, stopping)
            except (*AWAY, Unavailable) as error:
                _log.warning("dispatcher waits for Postgres", extra={"error": type(error).__name__})
            await _pause(stopping, _STANDBY_INTERVAL)
    finally:
        await worker.close()
        await redis.aclose()


async def _lead(rounds: Rounds, connection: Connection, stopping: asyncio.Event) -> None:
    _log.info("dispatcher leads")
    while not stopping.is_set() and not connection.is_closed():
        try:
            await rounds.tick()
        except (RedisError, TimeoutError) as error:
            _log.warning("tickets not offered, Redis is away", extra={"error": type(error).__name__})
        await _pause(stopping, _DUE_INTERVAL)


async def _pause(stopping: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stopping.wait()
    except TimeoutError:
        return
