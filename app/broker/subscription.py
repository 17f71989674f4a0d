"""A pub/sub connection that reconnects and subscribes again by itself, and reports when it receives nothing."""

import asyncio
import logging
from collections.abc import Callable
from typing import Final

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.core.log_limiter import LogLimiter
from app.core.redis import reason

_log_limiter = LogLimiter(logging.getLogger(__name__))

# Seconds without a message after which a PING is sent. The answer must come within the same time.
_HEARTBEAT: Final = 5.0
_CONNECT_TIMEOUT: Final = 2.0
# Seconds between two attempts to connect; doubled after each failure.
_FIRST_PAUSE: Final = 0.05
_MAX_PAUSE: Final = 2.0


class Subscription:
    """The subscription to one channel, over a connection that is kept open from ``start`` to ``close``.

    Redis keeps no message for a client that is disconnected. So after a gap the listener must look in Postgres;
    ``on_change`` tells it when.
    """

    def __init__(
        self,
        redis_url: str,
        channel: str,
        on_message: Callable[[bytes], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_message(data)`` is called for each message, ``on_change()`` after each change of ``healthy``."""
        # RESP2, in which every answer and every message is an array in the order of the wire. There is no
        # socket_timeout: redis-py would write under asyncio.wait_for, which before Python 3.12 may swallow a
        # cancellation. _listen detects a silent server instead.
        self._pool = ConnectionPool.from_url(
            redis_url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=None,
        )
        self._channel = channel
        self._on_message = on_message
        self._on_change = on_change
        self._tried = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.healthy = False
        """True while messages of the channel arrive."""

    async def start(self) -> None:
        """Begin to listen. Return once the channel is subscribed, or the first attempt to connect has failed."""
        self._task = asyncio.create_task(self._run(), name="redis-subscription")
        await self._tried.wait()

    async def close(self) -> None:
        """Stop listening. No asyncio task and no connection is left behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._run_connection()
            except Exception as error:  # noqa: BLE001 after any error the subscription must be made again
                _log_limiter.warn("wake-up messages of Redis do not arrive; reconnecting", reason=reason(error))
            pause = _FIRST_PAUSE if self.healthy else min(pause * 2, _MAX_PAUSE)
            self._set_healthy(value=False)
            await asyncio.sleep(pause)

    async def _run_connection(self) -> None:
        """Connect, subscribe and receive until the connection fails."""
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await self._listen(connection)
        finally:
            self._tried.set()
            await connection.disconnect(nowait=True)

    async def _listen(self, connection: Connection) -> None:
        await connection.send_command("SUBSCRIBE", self._channel, check_health=False)
        is_asked = True
        while True:
            answer = await connection.read_response(timeout=_HEARTBEAT, disconnect_on_error=False)
            if answer is not None:
                is_asked = False
                self._receive(answer)
            elif is_asked:
                # The PING was not answered. A connection that a firewall has dropped looks just like a quiet one.
                error = f"no answer from Redis for {_HEARTBEAT} s"
                raise TimeoutError(error)
            else:
                is_asked = True
                await connection.send_command("PING", check_health=False)

    def _receive(self, answer: list[bytes]) -> None:
        if answer[0] == b"message":
            self._on_message(answer[2])
        else:
            self._set_healthy(value=True)

    def _set_healthy(self, *, value: bool) -> None:
        if value:
            self._tried.set()
        if value != self.healthy:
            self.healthy = value
            self._on_change()
