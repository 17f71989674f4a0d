"""Raise the limit of open files, which include connections, and warn before a process reaches it.

At the limit the server closes new connections at once, and no library logs that.
"""

import asyncio
import logging
import os
import resource
import time
from math import inf
from typing import Final

_log = logging.getLogger(__name__)

_WANTED: Final = 65_536
# Seconds between two looks, and between two warnings.
_INTERVAL: Final = 5.0
_WARN_INTERVAL: Final = 60.0
# The part of the limit above which it warns.
_NEARLY: Final = 0.9


def raise_limit() -> int:
    """Raise the soft limit to the hard limit, at most to 65,536; return the new soft limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


class OpenFiles:
    """Watches the process's open files, and warns once a minute while less than a tenth of the limit is left."""

    def __init__(self) -> None:
        """Begin without an earlier warning."""
        self._warned_at = -inf

    async def run(self) -> None:
        """Look every 5 s until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(_INTERVAL)

    def look(self) -> None:
        """Count the open files, and warn if the limit is near."""
        limit, now = resource.getrlimit(resource.RLIMIT_NOFILE)[0], time.monotonic()
        if limit == resource.RLIM_INFINITY or now - self._warned_at < _WARN_INTERVAL:
            return
        count = _count()
        if count >= _NEARLY * limit:
            self._warned_at = now
            _log.warning(
                "open files near their limit: beyond it new connections are closed at once; raise LimitNOFILE",
                extra={"open_files": count, "limit": limit},
            )


def _count() -> int:
    try:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 names alone, of a folder that changes meanwhile
    except FileNotFoundError:
        # This system has no /proc, so the number is unknown and nothing is warned about.
        return 0
    except OSError:
        # The limit is reached: not even this folder can be opened.
        return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
