"""End connections whose clients do not read their answers, because unsent answers fill the memory of the process.

An answer that is sent at once costs nothing here: the transport reports only those that it must hold.
"""

import asyncio
import fcntl
import logging
import struct
import termios
from typing import Any, Final

_log: Final = logging.getLogger(__name__)

WRITE_TIMEOUT: Final = 10.0
"""Seconds without progress after which a connection is ended, even if little of the answer is left."""
MAX_UNSENT_BYTES: Final = 64 * 1_048_576
"""Unsent bytes of all connections of the process. Above it, connections end after ``IMPATIENT_TIMEOUT``."""
IMPATIENT_TIMEOUT: Final = 1.0
"""Seconds without progress after which a connection is ended while memory is short."""
_LOOKS: Final = 4
"""The number of checks within one ``WRITE_TIMEOUT``."""


class WriteDeadline:
    """Watches one connection while its transport holds bytes that the client has not taken."""

    # The connections that wait for their clients. The one that has waited longest is the first.
    _waiting: "dict[WriteDeadline, None]" = {}  # noqa: RUF012 shared on purpose: all connections use the memory of one process

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the transport to report whatever it cannot send at once."""
        # With 0 the transport calls ``pause_writing`` when a byte remains, and ``resume_writing`` when none does.
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.buffered = self._left = 0
        self._progressed_at = 0.0

    def begin(self) -> None:
        """Start the deadline: the transport holds bytes that the client does not take now."""
        self._left = self._unsent()
        self._progressed_at = self._loop.time()
        self._waiting[self] = None
        self._arm()
        if sum(deadline.buffered for deadline in self._waiting) > MAX_UNSENT_BYTES:
            self._make_room()

    def end(self) -> None:
        """Stop the deadline: everything is sent, or the connection has ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._waiting.pop(self, None)
            self.buffered = 0

    def _arm(self) -> None:
        self._timer = self._loop.call_later(WRITE_TIMEOUT / _LOOKS, self._look)

    def _look(self) -> None:
        if self.idle_seconds() >= WRITE_TIMEOUT:
            self.abort()
        else:
            self._arm()

    def idle_seconds(self) -> float:
        """Return the seconds for which the client has taken nothing. Progress counts from the call that notices it."""
        left = self._unsent()
        if left < self._left:
            self._progressed_at = self._loop.time()
        self._left = left
        return self._loop.time() - self._progressed_at

    def _unsent(self) -> int:
        self.buffered = self._transport.get_write_buffer_size()
        return self.buffered + _unacknowledged(self._transport)

    def abort(self) -> None:
        """End the connection and drop its unsent bytes."""
        _log.info("the client does not read its answer", extra={"unsent_bytes": self.buffered})
        self.end()
        self._transport.abort()

    @classmethod
    def _make_room(cls) -> None:
        # Two passes, because ``abort`` changes the dict. Those that have waited longest are ended first.
        too_many = -MAX_UNSENT_BYTES
        idle = []
        for deadline in cls._waiting:
            if deadline.idle_seconds() >= IMPATIENT_TIMEOUT:
                idle.append(deadline)
            too_many += deadline.buffered
        for deadline in idle:
            if too_many <= 0:
                break
            too_many -= deadline.buffered
            deadline.abort()


def _unacknowledged(transport: Any) -> int:
    """Return the bytes that the kernel has sent and the client has not acknowledged, or 0 if that is unknown.

    They may be megabytes. A slow client that reads makes this number smaller before the transport can send again.
    """
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, AttributeError):
        # The connection has just ended, or this operating system has no such call.
        return 0
    return int(struct.unpack("i", answer)[0])
