"""The newest timeline of Postgres, shared over Redis: what one process has seen, all know (app/db/timelines.py)."""

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.db import timelines

_log = logging.getLogger(__name__)

KEY: Final = "installation:timelines"
"""A sorted set: each system identifier with its mark."""
_INTERVAL: Final = 2.0
_TIMEOUT: Final = 1.0


async def exchange(redis: Redis) -> None:
    """Tell Redis and the file what this process has seen, and learn what others have; without Redis, the file alone."""
    known = timelines.known()
    known.refresh()
    try:
        async with asyncio.timeout(_TIMEOUT):
            rows: Any = await redis.zrange(KEY, 0, -1, withscores=True)
            told = {int(system): int(mark) for system, mark in rows}
            known.learn(told)
            news = {str(system): mark for system, mark in known.marks().items() if mark > told.get(system, 0)}
            if news:
                # GT: of several processes that tell at once, the newest mark stays.
                await redis.zadd(KEY, news, gt=True)
    except (RedisError, OSError, TimeoutError) as error:
        _log.debug("timelines not exchanged", extra={"error": repr(error)})


async def follow(redis: Redis) -> None:
    """Exchange every 2 s, until cancelled."""
    while True:
        await asyncio.sleep(_INTERVAL)
        try:
            await exchange(redis)
        except Exception:  # noqa: BLE001 whatever it was, the next exchange is tried
            _log.exception("timelines not exchanged")
