"""What each child of the pool has in hand: memory that the main process shares with its children."""

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

# A row: its version; the child's pid; when its own loop has turned last; the token of the attempt that is asked to end,
# which the main process writes; when the running attempt ends (0: none runs); how many attempts there are, and of each
# tenant, task and claim token, and whether its code has begun, the running one first. Times are of the monotonic clock,
# which all processes of a machine share.
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
"""Attempts that one child may have in hand."""
_SIZE: Final = _ATTEMPTS_AT + MAX_ATTEMPTS * _ATTEMPT.size
_ROWS_PER_SLOT: Final = 4
_ALIVE_INTERVAL: Final = 1.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt that a child has claimed, and whose end is not written yet."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID
    ends_at: float
    """When its hard limit is reached, as ``time.monotonic`` tells it; 0 while its code does not run."""
    pid: int
    has_begun: bool = False
    """Whether its code was called: it runs, or has ended and its end is being written."""

    @property
    def is_running(self) -> bool:
        """Whether its code runs now."""
        return self.ends_at > 0


def packed(attempt: AttemptRef, *, has_begun: bool = False) -> bytes:
    """Return an attempt as it stands on the shared_attempts."""
    return _ATTEMPT.pack(attempt.tenant_id.bytes, attempt.task_id.bytes, attempt.claim_token.bytes, has_begun)


@dataclass(frozen=True, slots=True)
class Child:
    """A child that has joined; it may be gone."""

    pid: int
    alive_at: float
    """When its own loop has turned last, or its code has ended since, as ``time.monotonic`` tells it."""
    ends_at: float
    """When the code that it runs is to be ended by force; 0 when it runs none."""


class SharedAttempts:
    """One row for each child. Made before the fork; each child writes its own row, the main process reads all."""

    def __init__(self, slots: int) -> None:
        """``slots``: how many children the pool has."""
        self._slots = slots
        self._rows = _ROWS_PER_SLOT * slots
        self._memory = mmap.mmap(-1, self._rows * _SIZE)

    def join(self, index: int) -> int:
        """Say that this process is the pool's child of this index, with nothing in hand; return its row.

        The row of a predecessor that died with attempts in hand stays as it is, until the main process has read it.
        """
        rows = range(index % self._slots, self._rows, self._slots)
        row = next((row for row in rows if not self._read(row)), rows[-1])
        self.write(row, 0.0, [])
        self.mark_alive(row)
        _CHILD.pack_into(self._memory, row * _SIZE + _CHILD_AT, os.getpid())
        return row

    def mark_alive(self, row: int) -> None:
        """Say that this process's own loop turns."""
        _ALIVE.pack_into(self._memory, row * _SIZE + _ALIVE_AT, time.monotonic())

    def write(self, row: int, ends_at: float, attempts: Sequence[bytes]) -> None:
        """Say what this process has in hand, by ``packed``; with ``ends_at`` the code of the first runs."""
        at = row * _SIZE
        parts = attempts[:MAX_ATTEMPTS]
        (version,) = _VERSION.unpack_from(self._memory, at)
        _VERSION.pack_into(self._memory, at, version | 1)
        _HEAD.pack_into(self._memory, at + _HEAD_AT, ends_at, len(parts))
        self._memory[at + _ATTEMPTS_AT : at + _ATTEMPTS_AT + len(parts) * _ATTEMPT.size] = b"".join(parts)
        _VERSION.pack_into(self._memory, at, (version | 1) + 1)

    def children(self) -> list[Child]:
        """Return every child that has joined; some may be gone."""
        return [self._child(row, pid) for row in range(self._rows) if (pid := self._pid(row))]

    def _child(self, row: int, pid: int) -> Child:
        at = row * _SIZE
        ends_at, _ = _HEAD.unpack_from(self._memory, at + _HEAD_AT)
        (alive_at,) = _ALIVE.unpack_from(self._memory, at + _ALIVE_AT)
        return Child(pid, alive_at, ends_at)

    def attempts(self) -> list[Attempt]:
        """Return what every child has in hand now."""
        return [attempt for row in range(self._rows) for attempt in self._read(row)]

    def running(self) -> list[Attempt]:
        """Return what every child runs now."""
        return [attempt for attempt in self.attempts() if attempt.is_running]

    def holds(self, attempt: Attempt) -> bool:
        """Tell whether a child still has this very attempt in hand, and runs it if it did."""
        return self._row_of(attempt) is not None

    def ask_to_end(self, attempt: Attempt) -> None:
        """Let the attempt's code know that it is to end (``is_asked_to_end``)."""
        if (row := self._row_of(attempt)) is not None:
            _TOKEN.pack_into(self._memory, row * _SIZE + _ASKED_AT, attempt.claim_token.bytes)

    def is_asked_to_end(self, row: int, claim_token: UUID) -> bool:
        """Tell a child whether its attempt is to end; what an earlier one was asked does not count."""
        (asked,) = _TOKEN.unpack_from(self._memory, row * _SIZE + _ASKED_AT)
        return bool(asked == claim_token.bytes)

    def forget(self, attempt: Attempt) -> None:
        """Take an attempt out of the row of a child that has died."""
        if (row := self._row_of(attempt)) is None:
            return
        left = [packed(other, has_begun=other.has_begun) for other in self._read(row) if other != attempt]
        self.write(row, 0.0, left)
        if not left:
            _CHILD.pack_into(self._memory, row * _SIZE + _CHILD_AT, 0)

    def _row_of(self, attempt: Attempt) -> int | None:
        return next((row for row in range(self._rows) if attempt in self._read(row)), None)

    def _pid(self, row: int) -> int:
        (pid,) = _CHILD.unpack_from(self._memory, row * _SIZE + _CHILD_AT)
        return int(pid)

    def _read(self, row: int) -> list[Attempt]:
        at = row * _SIZE
        # The version is odd while a row is written: what is read between two equal even ones is whole.
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
            Attempt(
                UUID(bytes=tenant), UUID(bytes=task), UUID(bytes=token), 0.0 if place else ends_at, pid, bool(begun)
            )
            for place, (tenant, task, token, begun) in enumerate(_ATTEMPT.iter_unpack(parts))
        ]


class ChildAttempts:
    """What this child has in hand, shown in its row of the shared memory."""

    def __init__(self, shared_attempts: SharedAttempts, index: int) -> None:
        """Join as the pool's child of this index."""
        self._shared_attempts = shared_attempts
        self._row = shared_attempts.join(index)
        # The main thread starts and ends code, the loop's thread claims and drops.
        self._lock = threading.Lock()
        self._attempts: dict[UUID, bytes] = {}
        self._running: UUID | None = None
        self._ends_at = 0.0

    def take(self, attempts: Sequence[AttemptRef]) -> None:
        """Say that these are claimed."""
        with self._lock:
            self._attempts |= {attempt.claim_token: packed(attempt) for attempt in attempts}
            self._show()

    def start(self, attempt: AttemptRef, ends_at: float) -> None:
        """Say that the code of one begins, and when it is to be ended by force."""
        with self._lock:
            self._running, self._ends_at = attempt.claim_token, ends_at
            if waiting := self._attempts.get(attempt.claim_token):
                self._attempts[attempt.claim_token] = waiting[:_BEGUN_AT] + _BEGUN
            self._show()

    def stop(self) -> None:
        """Say that the code has ended: whoever ends this process for it must not take the next one with it."""
        with self._lock:
            # Code in C may have kept the loop from turning: its time begins now.
            self._shared_attempts.mark_alive(self._row)
            self._running, self._ends_at = None, 0.0
            self._show()

    async def mark_alive(self) -> None:
        """Say once a second that the loop which runs this turns, until cancelled."""
        while True:
            self._shared_attempts.mark_alive(self._row)
            await asyncio.sleep(_ALIVE_INTERVAL)

    def drop(self, attempts: Sequence[AttemptRef]) -> None:
        """Say that the ends of these are written."""
        with self._lock:
            for attempt in attempts:
                self._attempts.pop(attempt.claim_token, None)
            self._show()

    def is_asked_to_end(self, attempt: AttemptRef) -> bool:
        """Tell whether the attempt's code is to end."""
        return self._shared_attempts.is_asked_to_end(self._row, attempt.claim_token)

    def _show(self) -> None:
        first = [self._attempts[self._running]] if self._running in self._attempts else []
        others = [attempt for token, attempt in self._attempts.items() if token != self._running]
        self._shared_attempts.write(self._row, self._ends_at if first else 0.0, first + others)
