"""One connection to Redis for the scripts that an api process runs for its requests.

redis-py's client takes a connection from its pool for each command, and waits for the answer before it gives the
connection back. Here concurrent commands share one connection, and one asyncio task reads all the answers, which come
in the order of the commands. A command costs a third.
"""

import asyncio
import math
from collections import deque
from typing import Any, Final

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError, ResponseError

_CONNECT_TIMEOUT: Final = 1.0
# Seconds without an answer after which the connection counts as lost: a firewall may have dropped it silently.
_ANSWER_TIMEOUT: Final = 2.0


class ScriptConnection:
    """Has the methods of redis-py's ``Redis`` that scripts and the rate limiter need. It connects when it is used."""

    def __init__(self, redis_url: str) -> None:
        """Redis may be unavailable now and at any later time."""
        self._pool = ConnectionPool.from_url(
            redis_url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=None,
        )
        self._connection: Connection | None = None
        self._opening: asyncio.Task[Connection] | None = None
        self._reader: asyncio.Task[None] | None = None
        # Commands without an answer: the time of each (by the loop's clock), and the future that its caller waits for.
        self._waiting: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._is_closed = False

    async def evalsha(self, sha: str, numkeys: int, *args: Any) -> Any:
        """Run a script that the server knows. Raises ``NoScriptError`` and other errors of ``RedisError``."""
        return await self._ask("EVALSHA", sha, numkeys, *args)

    async def eval(self, script: str, numkeys: int, *args: Any) -> Any:
        """Run a script, which the server then knows. Raises ``RedisError``."""
        return await self._ask("EVAL", script, numkeys, *args)

    async def ping(self) -> Any:
        """Return when the server answers. Raises ``RedisError``."""
        return await self._ask("PING")

    async def publish(self, channel: str, message: bytes) -> Any:
        """Send a message to those who have subscribed a channel. Raises ``RedisError``."""
        return await self._ask("PUBLISH", channel, message)

    async def close(self) -> None:
        """Close the connection. Callers that still wait get a ``ConnectionError``."""
        self._is_closed = True
        for task in (self._opening, self._reader):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])

    async def _ask(self, *command: Any) -> Any:
        try:
            return await self._send(*command)
        except RedisConnectionError:
            # Once more, as redis-py does: the server may have closed the connection just now.
            return await self._send(*command)

    async def _send(self, *command: Any) -> Any:
        now = asyncio.get_running_loop().time()
        if self._waiting and now - self._waiting[0][0] > _ANSWER_TIMEOUT:
            await self._drop()
        connection = self._connection or await self._open()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # Before the command is written, which happens without an ``await`` in between: both are in the same order.
        self._waiting.append((now, answer))
        await connection.send_command(*command, check_health=False)
        return await answer

    async def _open(self) -> Connection:
        if self._is_closed:
            message = "the connection was closed"
            raise RedisConnectionError(message)
        if self._opening is None:
            self._opening = asyncio.create_task(self._connect(), name="redis-scripts-open")
            self._opening.add_done_callback(self._opened)
        # Shielded: a caller that does not wait for long must not end the attempt of all others.
        return await asyncio.shield(self._opening)

    async def _connect(self) -> Connection:
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        await connection.connect()  # type: ignore[no-untyped-call]
        self._connection = connection
        self._reader = asyncio.create_task(self._read(connection), name="redis-scripts")
        return connection

    def _opened(self, task: "asyncio.Task[Connection]") -> None:
        self._opening = None
        if not task.cancelled():
            task.exception()  # the callers that still wait raise it

    async def _read(self, connection: Connection) -> None:
        """Give each answer to its caller until the connection ends. Then nobody waits any more."""
        reason: BaseException = RedisConnectionError("the connection was closed")
        try:
            while True:
                try:
                    answer = await connection.read_response(timeout=math.inf, disconnect_on_error=False)
                except ResponseError as error:
                    answer = error
                self._settle(answer)
        except (RedisError, OSError) as error:
            reason = RedisConnectionError(f"the connection was lost: {error}")
        finally:
            self._connection = None
            while self._waiting:
                self._settle(reason)
            await connection.disconnect(nowait=True)

    def _settle(self, answer: Any) -> None:
        _, waiting = self._waiting.popleft()
        if waiting.done():
            # Its caller did not wait for so long.
            return
        if isinstance(answer, BaseException):
            waiting.set_exception(answer)
        else:
            waiting.set_result(answer)

    async def _drop(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
