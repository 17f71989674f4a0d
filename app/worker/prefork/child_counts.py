"""Bring what the children count to the main process, which serves it: a socket that every child inherits.

A child counts in its own memory and sends what is new once a second, so an attempt costs it no system call. A child
that is killed loses the counts of its last second. The files that prometheus-client offers for this, one for each
process that ever lived, are not needed.
"""

import asyncio
import json
import socket
from typing import Any, Final

from app.metrics.tally import Tally

_INTERVAL: Final = 1.0
# Rows in one message: a message must fit into the buffer of the socket.
_ROWS: Final = 200
_MAX_BYTES: Final = 1_048_576


class ChildCounts:
    """The socket between the children and the main process. Create it before the fork."""

    def __init__(self) -> None:
        """Open both ends; each process inherits both, and uses one."""
        # Each message arrives whole, also when several children send at once.
        self._parent, self._child = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        for end in (self._parent, self._child):
            end.settimeout(0)

    async def send_from(self, tally: Tally) -> None:
        """Send what a child has counted, once a second, until cancelled; then send the rest."""
        try:
            while True:
                await asyncio.sleep(_INTERVAL)
                self._send(tally)
        finally:
            self._send(tally)

    async def receive_into(self, tally: Tally) -> None:
        """Add what the children send to the tally of the main process, until cancelled."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._parent.fileno(), self._receive, tally)
        try:
            await loop.create_future()
        finally:
            loop.remove_reader(self._parent.fileno())

    def _receive(self, tally: Tally) -> None:
        try:
            while True:
                tally.add(json.loads(self._parent.recv(_MAX_BYTES)))
        except BlockingIOError:
            return

    def _send(self, tally: Tally) -> None:
        for message in _messages(tally.take()):
            try:
                self._child.send(json.dumps(message, separators=(",", ":")).encode())
            except OSError:
                # The main process reads nothing now. The next attempt follows in a second.
                tally.add(message)


def _messages(taken: list[Any]) -> list[list[Any]]:
    counts, times = taken
    whole = [[counts[at : at + _ROWS], []] for at in range(0, len(counts), _ROWS)]
    return whole + [[[], times[at : at + _ROWS]] for at in range(0, len(times), _ROWS)]
