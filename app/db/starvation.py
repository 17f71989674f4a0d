"""Warn once a minute that a pool of connections is too small. Otherwise waiting would look like slow queries."""

import logging
import time
from typing import Final

_log = logging.getLogger(__name__)

_LONG: Final = 1.0
"""Seconds. A healthy pool hands on a connection within milliseconds, and opens one within 0.1 s."""
_INTERVAL: Final = 60.0


class Starvation:
    """Counts the long waits for a connection of one pool."""

    def __init__(self, role: str, size: int) -> None:
        """``role`` and ``size``, the number of connections, are shown in the warning."""
        self._role = role
        self._size = size
        self._waits = 0
        self._longest = 0.0
        self._next = 0.0

    def waited(self, seconds: float) -> None:
        """Record how many seconds a caller has waited, whether it got a connection or gave up."""
        if seconds < _LONG:
            return
        self._waits += 1
        self._longest = max(self._longest, seconds)
        now = time.monotonic()
        if now < self._next:
            return
        _log.warning(
            "a pool of connections starves",
            extra={
                "role": self._role,
                "pool_size": self._size,
                "waits": self._waits,
                "longest_wait_s": round(self._longest, 2),
            },
        )
        self._waits, self._longest, self._next = 0, 0.0, now + _INTERVAL
