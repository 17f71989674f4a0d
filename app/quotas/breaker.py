"""Whether Redis is worth asking: after one call that it did not answer, nobody waits until it answers again."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.core.redis import reason
from app.core.seldom import Seldom

T = TypeVar("T")

_log = logging.getLogger(__name__)
_seldom = Seldom(_log)

_ANSWER_TIMEOUT: Final = 0.05
_PROBE_INTERVAL: Final = 0.5


class Breaker:
    """One process's patience with Redis: 50 ms, once."""

    def __init__(self, redis: Redis) -> None:
        """Begin closed: Redis is asked."""
        self._redis = redis
        self._probing: asyncio.Task[None] | None = None

    async def ask(self, call: Awaitable[T]) -> T | None:
        """Return what Redis answers within 50 ms, else ``None``; then every call is ``is_open`` until it answers."""
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                return await call
        except Exception as error:  # noqa: BLE001 whatever it was, there is no answer
            self._open(error)
            return None

    @property
    def is_open(self) -> bool:
        """Tell whether Redis is away, as far as is known."""
        return self._probing is not None

    def _open(self, error: Exception) -> None:
        if self._probing is None:
            _seldom.warn("rates are limited by each process", reason=reason(error))
            self._probing = asyncio.create_task(self._probe(), name="redis-probe")

    async def _probe(self) -> None:
        # In the background, so that no request waits to find out.
        try:
            while True:
                await asyncio.sleep(_PROBE_INTERVAL)
                try:
                    async with asyncio.timeout(_ANSWER_TIMEOUT):
                        await self._redis.ping()
                except (RedisError, OSError, TimeoutError):
                    continue
                _log.info("Redis answers again")
                return
        finally:
            self._probing = None

    def close(self) -> None:
        """Probe no more."""
        if self._probing is not None:
            self._probing.cancel()
