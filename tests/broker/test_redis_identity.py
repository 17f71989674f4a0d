"""Noticing that Redis has lost what it held."""

import redis.asyncio

from app.broker import redis_identity
from tests.broker.processes import Valkey


async def test_generation_stays_while_redis_keeps_what_it_holds(astore: redis.asyncio.Redis) -> None:
    assert await redis_identity.read(astore) == await redis_identity.read(astore)


async def test_generation_changes_when_redis_is_emptied(astore: redis.asyncio.Redis) -> None:
    before = await redis_identity.read(astore)
    await astore.flushdb()
    assert await redis_identity.read(astore) != before


async def test_generation_changes_when_redis_is_restarted(own_valkey: Valkey) -> None:
    async with redis.asyncio.Redis.from_url(own_valkey.url()) as client:
        before = await redis_identity.read(client)
        [key] = await client.keys()
        kept = await client.get(key)
    own_valkey.kill()
    own_valkey.start()
    async with redis.asyncio.Redis.from_url(own_valkey.url()) as client:
        # Even if it had kept its data: the last second of them may be lost.
        await client.set(key, kept or "")
        assert await redis_identity.read(client) != before
