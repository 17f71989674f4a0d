"""Noticing that Redis has lost what it held: by a restart, a fail-over or a FLUSHALL."""

from typing import Final
from uuid import uuid4

from redis.asyncio import Redis

_SENTINEL: Final = "tenants:generation"


async def generation(redis: Redis) -> str:
    """Return a name that changes when Redis is restarted, replaced or emptied; raises ``RedisError``.

    It joins the server's ``run_id``, new after a restart, and a random sentinel, gone after a FLUSHALL.
    """
    async with redis.pipeline(transaction=False) as pipe:
        pipe.set(_SENTINEL, str(uuid4()), nx=True)
        pipe.get(_SENTINEL)
        pipe.info("server")
        _, sentinel, server = await pipe.execute()
    return f"{server['run_id']}:{sentinel.decode() if isinstance(sentinel, bytes) else sentinel}"
