"""Identify the data set of Redis, to notice its loss by a restart, a fail-over or a FLUSHALL."""

from typing import Final
from uuid import uuid4

from redis.asyncio import Redis

# The key keeps its old name. A new name would look like a lost data set while dispatchers are being upgraded.
_SENTINEL: Final = "tenants:generation"


async def read(redis: Redis) -> str:
    """Return a text that changes when Redis is restarted, replaced or emptied. Raises ``RedisError``.

    The text joins the server's ``run_id``, which is new after a restart, and a random value, which a FLUSHALL deletes.
    """
    async with redis.pipeline(transaction=False) as pipe:
        # NX: the first process that asks after a loss sets the random value, and all others read the same one.
        pipe.set(_SENTINEL, str(uuid4()), nx=True)
        pipe.get(_SENTINEL)
        pipe.info("server")
        _, sentinel, server = await pipe.execute()
    return f"{server['run_id']}:{sentinel.decode() if isinstance(sentinel, bytes) else sentinel}"
