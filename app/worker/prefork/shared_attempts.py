"""The attempts of each child of the pool, in memory that the main process shares with its children.

The main process needs them when a child dies or hangs: then it ends the attempts in the child's place.
"""

import asyncio
import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from app.tasks.run.attempts import AttemptRef

# The format of a row:
# - version: odd while the row is being written
# - pid of the child
# - the last time at which the child's own loop ran
# - token of the attempt that should end; only the main process writes it
# - the time at which the running attempt is ended by force (0: no code runs), and the number of attempts
# - for each attempt, the running one first: tenant, task, claim token, and whether its code has begun
# Times are monotonic, because all processes of a machine share that clock.
_VERSION: Final = struct.Struct("=Q")
_CHILD: Final = struct.Struct("=Q")
_ALIVE: Final = struct.Struct("=d")
_TOKEN: Final = struct.Struct("=16s")
_HEAD: Final = struct.Struct("=dQ")
_ATTEMPT: Final = struct.Struct("=16s16s16sQ")
_BEGUN_AT: Final = 48
_BEGUN: Final = (1).to_bytes(8, sys.byteorder)
_CHILD_AT: Final = _VERSION.size
_ALIVE_AT: Final = _CHILD_AT + _CHILD.size
_ASKED_AT: Final = _ALIVE_AT + _ALIVE.size
_HEAD_AT: Final = _ASKED_AT + _TOKEN.size
_ATTEMPTS_AT: Final = _HEAD_AT + _HEAD.size
MAX_ATTEMPTS: Final = 128
"""The most attempts that one child may have claimed at the same time."""
_SIZE: Final = _ATTEMPTS_AT + MAX_ATTEMPTS * _ATTEMPT.size
# More than one, because a new child needs a row while the attempts of dead predecessors are not ended yet.
_ROWS_PER_SLOT: Final = 4
_ALIVE_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True)
class SharedAttempt:
    """An attempt that a child has claimed and whose end is not written yet, as read from the shared memory."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID
    ends_at: float
    """The time (monotonic) of its hard limit; 0 while its code does not run."""
    pid: int
    has_begun: bool = False
    """True once its code was called: the code runs, or it has returned and the end is being written."""

    @property
    def is_running(self) -> bool:
        """Return whether its code runs now."""
        return self.ends_at > 0


def packed(attempt: AttemptRef, *, has_begun: bool = False) -> bytes:
    """Return an attempt in the format of the shared memory."""
    return _ATTEMPT.pack(attempt.tenant_id.bytes, attempt.task_id.bytes, attempt.claim_token.bytes, has_begun)


@dataclass(frozen=True, slots=True)
class Child:
    """A child that has joined the pool. It may have ended by now."""

    pid: int
    alive_at: float
    """The last time (monotonic) at which its own loop ran or its code ended."""
    ends_at: float
    """The time (monotonic) at which its running code is ended by force; 0 when none runs."""


class SharedAttempts:
    """One row for each child. Create it before the fork. Each child writes its own row, the main process reads all.

    There is no lock between processes, because a child may be killed while it holds one. A version number in each row
    tells the reader whether it has read a complete row.
    """

    def __init__(self, slots: int) -> None:
        """``slots`` is the number of the pool's children."""
        self._slots = slots
        self._rows = _ROWS_PER_SLOT * slots
        self._memory = mmap.mmap(-1, self._rows * _SIZE)

    def join(self, index: int) -> int:
        """Register this process as the pool's child of this index, without attempts; return its row.

        The row of a predecessor that died during attempts stays unchanged until the main process has ended them.
        """
        rows = range(index % self._slots, self._rows, self._slots)
        row = next((row for row in rows if not self._read(row)), rows[-1])
        self.write(row, 0.0, [])
        self.mark_alive(row)
        _CHILD.pack_into(self._memory, row * _SIZE + _CHILD_AT, os.getpid())
        return row

    def mark_alive(self, row: int) -> None:
        """Record that this process's own loop runs."""
        _ALIVE.pack_into(self._memory, row * _SIZE + _ALIVE_AT, time.monotonic())

    def write(self, row: int, ends_at: float, attempts: Sequence[bytes]) -> None:
        """Write this process's attempts (``packed``). If ``ends_at`` is not 0, the code of the first one runs."""
        at = row * _SIZE
        # ``| 1`` also continues after a writer that died in between and left an odd version.
        parts = attempts[:MAX_ATTEMPTS]
        (version,) = _VERSION.unpack_from(self._memory, at)
        _VERSION.pack_into(self._memory, at, version | 1)
        _HEAD.pack_into(self._memory, at + _HEAD_AT, ends_at, len(parts))
        self._memory[at + _ATTEMPTS_AT : at + _ATTEMPTS_AT + len(parts) * _ATTEMPT.size] = b"".join(parts)
        _VERSION.pack_into(self._memory, at, (version | 1) + 1)

    def children(self) -> list[Child]:
        """Return every child that has joined; some may have ended."""
        return [self._child(row, pid) for row in range(self._rows) if (pid := self._pid(row))]

    def _child(self, row: int, pid: int) -> Child:
        at = row * _SIZE
        ends_at, _ = _HEAD.unpack_from(self._memory, at + _HEAD_AT)
        (alive_at,) = _ALIVE.unpack_from(self._memory, at + _ALIVE_AT)
        return Child(pid, alive_at, ends_at)

    def attempts(self) -> list[SharedAttempt]:
        """Return the attempts of all children."""
        return [attempt for row in range(self._rows) for attempt in self._read(row)]

    def running(self) -> list[SharedAttempt]:
        """Return the attempts of all children whose code runs now."""
        return [attempt for attempt in self.attempts() if attempt.is_running]

    def holds(self, attempt: SharedAttempt) -> bool:
        """Return whether a row still has this attempt in the same state: the same pid, and still running if it was."""
        return self._row_of(attempt) is not None

    def ask_to_end(self, attempt: SharedAttempt) -> None:
        """Ask the attempt's code to end. The child reads the request with ``is_asked_to_end``."""
        if (row := self._row_of(attempt)) is not None:
            _TOKEN.pack_into(self._memory, row * _SIZE + _ASKED_AT, attempt.claim_token.bytes)

    def is_asked_to_end(self, row: int, claim_token: UUID) -> bool:
        """Return whether a child's attempt should end. A request for an earlier attempt does not count."""
        (asked,) = _TOKEN.unpack_from(self._memory, row * _SIZE + _ASKED_AT)
        return bool(asked == claim_token.bytes)

    def forget(self, attempt: SharedAttempt) -> None:
        """Remove an attempt from the row of a child that has died."""
        if (row := self._row_of(attempt)) is None:
            return
        left = [packed(other, has_begun=other.has_begun) for other in self._read(row) if other != attempt]
        # The child is dead, so no code of the others runs either: their time limit is removed.
        self.write(row, 0.0, left)
        if not left:
            _CHILD.pack_into(self._memory, row * _SIZE + _CHILD_AT, 0)

    def _row_of(self, attempt: SharedAttempt) -> int | None:
        return next((row for row in range(self._rows) if attempt in self._read(row)), None)

    def _pid(self, row: int) -> int:
        (pid,) = _CHILD.unpack_from(self._memory, row * _SIZE + _CHILD_AT)
        return int(pid)

    def _read(self, row: int) -> list[SharedAttempt]:
        at = row * _SIZE
        # The version is odd while a row is written, so data between two equal even versions is consistent. If the row
        # changes meanwhile, nothing is returned: the next look, 0.25 s later, reads it again.
        (before,) = _VERSION.unpack_from(self._memory, at)
        ends_at, count = _HEAD.unpack_from(self._memory, at + _HEAD_AT)
        if not count:
            return []
        size = min(count, MAX_ATTEMPTS) * _ATTEMPT.size
        parts = self._memory[at + _ATTEMPTS_AT : at + _ATTEMPTS_AT + size]
        pid = self._pid(row)
        (after,) = _VERSION.unpack_from(self._memory, at)
        if before % 2 or after != before:
            return []
        return [
            SharedAttempt(
                UUID(bytes=tenant), UUID(bytes=task), UUID(bytes=token), 0.0 if place else ends_at, pid, bool(begun)
            )
            for place, (tenant, task, token, begun) in enumerate(_ATTEMPT.iter_unpack(parts))
        ]


class ChildAttempts:
    """The attempts of this child. Each change is written to the child's row of the shared memory."""

    def __init__(self, shared_attempts: SharedAttempts, index: int) -> None:
        """Join as the pool's child of this index."""
        self._shared_attempts = shared_attempts
        self._row = shared_attempts.join(index)
        # Two threads change the row: the main thread starts and stops code, the event loop's thread claims and drops.
        self._lock = threading.Lock()
        self._attempts: dict[UUID, bytes] = {}
        self._running: UUID | None = None
        self._ends_at = 0.0

    def take(self, attempts: Sequence[AttemptRef]) -> None:
        """Add attempts that were claimed."""
        with self._lock:
            self._attempts |= {attempt.claim_token: packed(attempt) for attempt in attempts}
            self._show()

    def start(self, attempt: AttemptRef, ends_at: float) -> None:
        """Record that an attempt's code begins, and the time (monotonic) at which the main process kills it."""
        with self._lock:
            self._running, self._ends_at = attempt.claim_token, ends_at
            if waiting := self._attempts.get(attempt.claim_token):
                self._attempts[attempt.claim_token] = waiting[:_BEGUN_AT] + _BEGUN
            self._show()

    def stop(self) -> None:
        """Record that the code has ended, so that its time limit does not kill this process during the next attempt."""
        with self._lock:
            # Code in C may have blocked the loop's thread too. The loop must not count as stalled for that time.
            self._shared_attempts.mark_alive(self._row)
            self._running, self._ends_at = None, 0.0
            self._show()

    async def mark_alive(self) -> None:
        """Record once a second that the event loop runs, until cancelled."""
        while True:
            self._shared_attempts.mark_alive(self._row)
            await asyncio.sleep(_ALIVE_INTERVAL)

    def drop(self, attempts: Sequence[AttemptRef]) -> None:
        """Remove attempts whose ends are written."""
        with self._lock:
            for attempt in attempts:
                self._attempts.pop(attempt.claim_token, None)
            self._show()

    def is_asked_to_end(self, attempt: AttemptRef) -> bool:
        """Return whether the attempt's code should end."""
        return self._shared_attempts.is_asked_to_end(self._row, attempt.claim_token)

    def _show(self) -> None:
        first = [self._attempts[self._running]] if self._running in self._attempts else []
        others = [attempt for token, attempt in self._attempts.items() if token != self._running]
        self._shared_attempts.write(self._row, self._ends_at if first else 0.0, first + others)
