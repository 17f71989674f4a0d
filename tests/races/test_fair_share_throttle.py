"""Which tenants the workers of a pool skip, by real rows and a real Redis."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.broker import tickets
from app.broker.ring import ASYNCIO, PREFORK, RINGS, queue_name
from app.db import connect
from app.dispatch.fair_share_throttle import FairShareThrottle
from app.dispatch.ledger import Ledger
from tests.conftest import Servers, role_url
from tests.races.conftest import Yard


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    """A database of its own."""
    client = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/9")
    await client.flushdb()
    yield client
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def finder(yard: Yard) -> AsyncIterator[Any]:
    """The dispatcher's connection."""
    connection = await connect(role_url(yard.environment, "tq_dispatch"))
    yield connection
    await connection.close()


async def _use(yard: Yard, tenant_id: UUID, seconds: float) -> None:
    await yard.owner.execute(
        "INSERT INTO worker_time (tenant_id, task, seconds) VALUES ($1, 'echo', $2)",
        tenant_id,
        seconds,
    )


async def test_a_tenant_that_waits_in_one_pool_is_no_measure_for_those_of_the_other(
    yard: Yard, redis: Redis, finder: Any
):
    had_more, had_less, elsewhere = [await yard.tenant() for _ in range(3)]
    for tenant_id, pool in ((had_more, PREFORK), (had_less, PREFORK), (elsewhere, ASYNCIO)):
        await tickets.offer(redis, tenant_id, pool)
    throttle = FairShareThrottle(finder, redis, Ledger(await yard.lead(finder)))
    await throttle.look()
    # The third one never gets a worker: its pool has none.
    await _use(yard, had_more, 9.0)
    await _use(yard, had_less, 3.0)
    throttle._next = 0.0
    await throttle.look()
    assert await redis.smembers(RINGS[PREFORK].ahead) == {queue_name(had_more, PREFORK).encode()}
    assert await redis.smembers(RINGS[ASYNCIO].ahead) == set()
