"""Limit the speed at which the rest of a body is received after its request was answered.

The body of a refused request may still be on its way. A client that sends such requests as fast as it can would
otherwise keep the event loop busy: 24 connections with 255 KiB each delayed the calls of other tenants by 40 ms.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.flow_control import FlowControl

BYTES_PER_SECOND: Final = 4 * 1_048_576
"""The speed at which the unread body of one connection is received."""
MIN_BYTES: Final = 16_384
"""Fewer unread bytes cause no pause: such bodies arrive together with the head."""


class UnreadBody:
    """Pauses one connection for as long as its unread bytes take at ``BYTES_PER_SECOND``."""

    def __init__(self, flow: FlowControl, loop: asyncio.AbstractEventLoop) -> None:
        """``flow`` pauses and resumes the reading of the connection; ``loop`` times the pauses."""
        self._flow = flow
        self._loop = loop
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, size: int) -> None:
        """Count bytes that have arrived and that the application will not ask for."""
        self._bytes += size

    def pause(self) -> None:
        """Stop reading from the connection for as long as its unread bytes take."""
        if self._timer is None and self._bytes >= MIN_BYTES:
            self._timer = self._loop.call_later(self._bytes / BYTES_PER_SECOND, self._resume)
            self._bytes = 0
        if self._timer is not None:
            # Again during a pause, because the answer to a later request has resumed the reading.
            self._flow.pause_reading()

    def end(self) -> None:
        """Cancel a pause, because the connection is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _resume(self) -> None:
        self._timer = None
        self.pause()
        if self._timer is None:
            self._flow.resume_reading()
