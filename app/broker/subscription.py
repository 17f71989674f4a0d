"""One pub/sub connection that heals itself: it reconnects, subscribes anew, and tells when it is deaf."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from redis.asyncio import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

_log = logging.getLogger(__name__)

# Seconds. After so long without a word a PING is sent, which must be answered within as long again.
_HEARTBEAT: Final = 5.0
_CONNECT_TIMEOUT: Final = 2.0
_CONFIRM_TIMEOUT: Final = 1.0
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


class _Command(NamedTuple):
    """What was asked of Redis; ``answered`` is done once it has answered, or cannot any more."""

    words: tuple[str, ...]
    answered: "asyncio.Future[None]"


class Subscription:
    """A set of channels to hear, over a connection that is kept up from ``start`` to ``close``.

    Redis keeps no message for who is away: after a gap the listener has to look for itself, which is what
    ``on_change`` is for.
    """

    def __init__(
        self,
        redis_url: str,
        on_message: Callable[[str, bytes], None],
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_message(channel, data)`` hears each message, ``on_change()`` each change of ``healthy``."""
        # RESP2: here every answer, a message too, is an array in the order of the wire. No socket_timeout:
        # redis-py would write under asyncio.wait_for, which before Python 3.12 may swallow a cancellation;
        # _read ends a silence instead.
        self._pool = ConnectionPool.from_url(
            redis_url,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=_CONNECT_TIMEOUT,
            socket_timeout=None,
        )
        self._on_message = on_message
        self._on_change = on_change
        self._channels: dict[str, asyncio.Future[None]] = {}
        self._outbox: list[_Command] = []
        self._unanswered: deque[_Command] = deque()
        self._has_outbox = asyncio.Event()
        self._tried = asyncio.Event()
        self._is_open = False
        self._task: asyncio.Task[None] | None = None
        self.healthy = False
        """True while every channel is heard."""

    async def start(self) -> None:
        """Begin to listen; return when connected, or at once when Redis is away."""
        self._task = asyncio.create_task(self._run(), name="redis-subscription")
        await self._tried.wait()

    async def close(self) -> None:
        """Stop listening; no task and no connection is left behind."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def add(self, channel: str) -> None:
        """Hear a channel; return once Redis has confirmed it, or cannot (then ``healthy`` is False)."""
        if channel not in self._channels:
            self._channels[channel] = self._ask("SUBSCRIBE", channel)
        await asyncio.wait([self._channels[channel]], timeout=_CONFIRM_TIMEOUT)

    def remove(self, channel: str) -> None:
        """Hear a channel no longer."""
        if self._channels.pop(channel, None) is not None:
            self._ask("UNSUBSCRIBE", channel)

    def _ask(self, *words: str) -> "asyncio.Future[None]":
        """Leave a command for the writer; without a connection it counts as answered."""
        command = _Command(words, asyncio.get_running_loop().create_future())
        if self._is_open:
            self._outbox.append(command)
            self._has_outbox.set()
        else:
            command.answered.set_result(None)
        return command.answered

    async def _run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._converse()
            except* Exception as errors:  # noqa: BLE001 whatever ended it, it has to begin again
                _log.log(logging.WARNING if self.healthy else logging.DEBUG, "redis subscription lost: %r", errors)
            pause = _FIRST_PAUSE if self.healthy else min(pause * 2, _LONGEST_PAUSE)
            self._set_healthy(value=False)
            await asyncio.sleep(pause)

    async def _converse(self) -> None:
        """Speak over one connection until it fails."""
        connection: Connection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            self._is_open = True
            for channel in self._channels:
                self._channels[channel] = self._ask("SUBSCRIBE", channel)
            # Answers come in order: the answer to this one means that every channel is heard.
            self._ask("PING")
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(connection))
                group.create_task(self._read(connection))
        finally:
            self._hang_up()
            await connection.disconnect(nowait=True)

    async def _write(self, connection: Connection) -> None:
        while await self._has_outbox.wait():
            self._has_outbox.clear()
            commands, self._outbox = self._outbox, []
            self._unanswered.extend(commands)
            packed = connection.pack_commands([command.words for command in commands])
            await connection.send_packed_command(packed, check_health=False)

    async def _read(self, connection: Connection) -> None:
        while True:
            answer = await connection.read_response(timeout=_HEARTBEAT, disconnect_on_error=False)
            if answer is not None:
                self._hear(answer)
            elif self._unanswered:
                error = f"no answer from Redis for {_HEARTBEAT} s"
                raise TimeoutError(error)
            else:
                self._ask("PING")

    def _hear(self, answer: object) -> None:
        if isinstance(answer, list) and answer[0] == b"message":
            self._on_message(answer[1].decode(), answer[2])
            return
        command = self._unanswered.popleft()
        _settle(command)
        if command.words == ("PING",):
            self._set_healthy(value=True)

    def _hang_up(self) -> None:
        self._is_open = False
        for command in (*self._unanswered, *self._outbox):
            _settle(command)
        self._unanswered.clear()
        self._outbox.clear()
        self._tried.set()

    def _set_healthy(self, *, value: bool) -> None:
        if value:
            self._tried.set()
        if value != self.healthy:
            self.healthy = value
            self._on_change()


def _settle(command: _Command) -> None:
    if not command.answered.done():
        command.answered.set_result(None)
