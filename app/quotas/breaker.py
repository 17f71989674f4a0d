"""Stop asking Redis after one call without an answer, until it answers a probe (a circuit breaker)."""

import asyncio
import logging
from collections.abc import Awaitable
from typing import Final, TypeVar

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.broker.script_connection import ScriptConnection
from app.core.log_limiter import LogLimiter
from app.core.redis import reason

T = TypeVar("T")

_log = logging.getLogger(__name__)
_log_limiter = LogLimiter(_log)

# Seconds. Far longer than a healthy Redis takes. After one such wait the process stops asking.
_ANSWER_TIMEOUT: Final = 0.05
_PROBE_INTERVAL: Final = 0.5


class Breaker:
    """Lets one call of the process wait up to 50 ms for Redis. While it does not answer, no further call waits."""

    def __init__(self, redis: Redis | ScriptConnection) -> None:
        """Start closed, which means that Redis is asked."""
        self._redis = redis
        self._probing: asyncio.Task[None] | None = None

    async def ask(self, call: Awaitable[T]) -> T | None:
        """Return the answer of Redis within 50 ms, or else ``None`` and open the breaker."""
        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT):
                return await call
        except Exception as error:  # noqa: BLE001 any error means that there is no answer
            self._open(error)
            return None

    @property
    def is_open(self) -> bool:
        """True while Redis is known not to answer, and must not be asked."""
        return self._probing is not None

    def _open(self, error: Exception) -> None:
        # Calls that fail together start one probe and write one line.
        if self._probing is None:
            _log_limiter.warn("Redis does not answer, so each process limits rates on its own", reason=reason(error))
            self._probing = asyncio.create_task(self._probe(), name="redis-probe")

    async def _probe(self) -> None:
        # The probe runs in the background, so that no request waits for a Redis that does not answer.
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
        """Stop the probe."""
        if self._probing is not None:
            self._probing.cancel()
