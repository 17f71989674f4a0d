"""The end of connections whose peers do not read: what was written to them fills the memory of the process.

Nothing here costs an answer that leaves at once: a transport reports only those that do not.
"""

import asyncio
import fcntl
import logging
import struct
import termios
from typing import Any, Final

_log: Final = logging.getLogger(__name__)

WRITE_TIMEOUT: Final = 10.0
"""Seconds without progress after which a connection is ended, however little of its answer is left."""
MAX_UNSENT_BYTES: Final = 64 * 1_048_576
"""Unsent bytes of all answers of the process. Beyond that, connections end after ``IMPATIENT_TIMEOUT``."""
IMPATIENT_TIMEOUT: Final = 1.0
_LOOKS: Final = 4
"""The checks within one ``WRITE_TIMEOUT``."""


class WriteDeadline:
    """Watches one connection while its transport holds what the peer has not taken."""

    # Those that wait for their peers, the one that waits longest first.
    _waiting: "dict[WriteDeadline, None]" = {}  # noqa: RUF012 of the process: all connections share its memory

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        """Ask the transport to report whatever it cannot send at once."""
        transport.set_write_buffer_limits(high=0)
        self._transport = transport
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.buffered = self._left = 0
        self._progressed_at = 0.0

    def begin(self) -> None:
        """The peer takes no more for now."""
        self._left = self._unsent()
        self._progressed_at = self._loop.time()
        self._waiting[self] = None
        self._arm()
        if sum(deadline.buffered for deadline in self._waiting) > MAX_UNSENT_BYTES:
            self._make_room()

    def end(self) -> None:
        """Everything is sent, or the connection has ended."""
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
        """Return for how long the peer has taken nothing, as far as it was looked at."""
        left = self._unsent()
        if left < self._left:
            self._progressed_at = self._loop.time()
        self._left = left
        return self._loop.time() - self._progressed_at

    def _unsent(self) -> int:
        self.buffered = self._transport.get_write_buffer_size()
        return self.buffered + _unacknowledged(self._transport)

    def abort(self) -> None:
        """End the connection; what it holds is given up."""
        _log.info("the client does not read its answer", extra={"unsent_bytes": self.buffered})
        self.end()
        self._transport.abort()

    @classmethod
    def _make_room(cls) -> None:
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
    """Return how much the kernel holds for the peer: it may be megabytes, and shows that a slow peer reads."""
    try:
        answer = fcntl.ioctl(transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, AttributeError):
        # It has just ended, or this system cannot say.
        return 0
    return int(struct.unpack("i", answer)[0])
