"""Share the newest timeline of Postgres over Redis: all processes know what one has seen (app/db/timelines.py)."""

import asyncio
import logging
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.db import timelines

_log = logging.getLogger(__name__)

KEY: Final = "installation:timelines"
"""A sorted set of system identifiers. The score is the mark."""
_INTERVAL: Final = 2.0
_TIMEOUT: Final = 1.0


async def exchange(redis: Redis) -> None:
    """Exchange marks with Redis and the file: store what this process has seen, and read what others have stored.

    If Redis is unavailable, only the file is used. Never raises an error of Redis.
    """
    known = timelines.known()
    known.refresh()
    try:
        async with asyncio.timeout(_TIMEOUT):
            rows: Any = await redis.zrange(KEY, 0, -1, withscores=True)
            told = {int(system): int(mark) for system, mark in rows}
            known.learn(told)
            news = {str(system): mark for system, mark in known.marks().items() if mark > told.get(system, 0)}
            if news:
                # GT keeps the newest mark if several processes write at the same time.
                await redis.zadd(KEY, news, gt=True)
    except (RedisError, OSError, TimeoutError) as error:
        _log.debug("timelines not exchanged", extra={"error": repr(error)})


async def follow(redis: Redis) -> None:
    """Exchange every 2 s, until cancelled."""
    while True:
        await asyncio.sleep(_INTERVAL)
        try:
            await exchange(redis)
        except Exception:  # noqa: BLE001 after any error the next exchange must follow
            _log.exception("cannot exchange the timelines of Postgres over Redis; retrying")
