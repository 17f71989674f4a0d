"""Which child of the pool runs which attempt: memory that the main process shares with its children."""

import mmap
import os
import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

# Version; the child's pid; of its attempt: tenant, task, claim token, end by the monotonic clock, which all processes
# of a machine share; and the token of the attempt that is asked to end, which the main process writes.
_VERSION: Final = struct.Struct("=Q")
_CHILD: Final = struct.Struct("=Q")
_ATTEMPT: Final = struct.Struct("=16s16s16sd")
_TOKEN: Final = struct.Struct("=16s")
_CHILD_AT: Final = _VERSION.size
_ATTEMPT_AT: Final = _CHILD_AT + _CHILD.size
_ASKED_AT: Final = _ATTEMPT_AT + _ATTEMPT.size
_SIZE: Final = _ASKED_AT + _TOKEN.size
_ROWS_PER_SLOT: Final = 4
_NOTHING: Final = (b"\0" * 16, b"\0" * 16, b"\0" * 16, 0.0)


@dataclass(frozen=True, slots=True)
class Running:
    """An attempt under way in a child process."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID
    ends_at: float
    """When its hard limit is reached, as ``time.monotonic`` tells it."""
    pid: int


class Board:
    """One row for each child. Made before the fork; each child writes its own row, the main process reads all."""

    def __init__(self, slots: int) -> None:
        """``slots``: how many children the pool has."""
        self._slots = slots
        self._rows = _ROWS_PER_SLOT * slots
        self._memory = mmap.mmap(-1, self._rows * _SIZE)

    def join(self, index: int) -> int:
        """Say that this process is the pool's child of this index, and runs nothing; return its row.

        The row of a predecessor that died with an attempt in hand stays as it is, until the main process has read it.
        """
        rows = range(index % self._slots, self._rows, self._slots)
        row = next((row for row in rows if self._read(row) is None), rows[-1])
        self._write(row, *_NOTHING)
        _CHILD.pack_into(self._memory, self._at(row) + _CHILD_AT, os.getpid())
        return row

    def start(self, row: int, running: Running) -> None:
        """Say that this process runs an attempt."""
        ids = running.tenant_id.bytes, running.task_id.bytes, running.claim_token.bytes
        self._write(row, *ids, running.ends_at)

    def clear(self, row: int) -> None:
        """Say that it runs none."""
        self._write(row, *_NOTHING)

    def children(self) -> list[int]:
        """Return the pid of every child that has joined; some may be gone."""
        return [pid for row in range(self._rows) if (pid := self._pid(row))]

    def running(self) -> list[Running]:
        """Return what every child runs now."""
        return [running for row in range(self._rows) if (running := self._read(row))]

    def holds(self, running: Running) -> bool:
        """Tell whether a child still runs this very attempt."""
        return self._row_of(running) is not None

    def ask_to_end(self, running: Running) -> None:
        """Let the attempt's code know that it is to end (``is_asked_to_end``)."""
        if (row := self._row_of(running)) is not None:
            _TOKEN.pack_into(self._memory, self._at(row) + _ASKED_AT, running.claim_token.bytes)

    def is_asked_to_end(self, row: int, claim_token: UUID) -> bool:
        """Tell a child whether its attempt is to end; what an earlier one was asked does not count."""
        (asked,) = _TOKEN.unpack_from(self._memory, self._at(row) + _ASKED_AT)
        return bool(asked == claim_token.bytes)

    def forget(self, running: Running) -> None:
        """Clear the row of a child that has died with an attempt in hand."""
        if (row := self._row_of(running)) is not None:
            _CHILD.pack_into(self._memory, self._at(row) + _CHILD_AT, 0)
            self.clear(row)

    def _row_of(self, running: Running) -> int | None:
        return next((row for row in range(self._rows) if self._read(row) == running), None)

    def _at(self, row: int) -> int:
        return row % self._rows * _SIZE

    def _pid(self, row: int) -> int:
        (pid,) = _CHILD.unpack_from(self._memory, self._at(row) + _CHILD_AT)
        return int(pid)

    def _read(self, row: int) -> Running | None:
        # The version is odd while a row is written: what is read between two equal even ones is whole.
        (before,) = _VERSION.unpack_from(self._memory, self._at(row))
        attempt = _ATTEMPT.unpack_from(self._memory, self._at(row) + _ATTEMPT_AT)
        pid = self._pid(row)
        (after,) = _VERSION.unpack_from(self._memory, self._at(row))
        if before % 2 or after != before or attempt == _NOTHING:
            return None
        tenant_id, task_id, token, ends_at = attempt
        return Running(UUID(bytes=tenant_id), UUID(bytes=task_id), UUID(bytes=token), ends_at, pid)

    def _write(self, row: int, tenant_id: bytes, task_id: bytes, token: bytes, ends_at: float) -> None:
        at = self._at(row)
        (version,) = _VERSION.unpack_from(self._memory, at)
        _VERSION.pack_into(self._memory, at, version | 1)
        _ATTEMPT.pack_into(self._memory, at + _ATTEMPT_AT, tenant_id, task_id, token, ends_at)
        _VERSION.pack_into(self._memory, at, (version | 1) + 1)
