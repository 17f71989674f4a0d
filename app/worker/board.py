"""Which child of the pool runs which attempt: memory that the main process shares with its children."""

import mmap
import os
import struct
from dataclasses import dataclass
from typing import Final
from uuid import UUID

_ROW: Final = struct.Struct("=16sQ")
_NOBODY: Final = b"\0" * 16


@dataclass(frozen=True, slots=True)
class Running:
    """An attempt under way in a child process."""

    claim_token: UUID
    pid: int


class Board:
    """One row for each child. Made before the fork; each child writes its own row, the main process reads all."""

    def __init__(self, rows: int) -> None:
        """``rows``: as many as the pool may have children."""
        self._rows = rows
        self._memory = mmap.mmap(-1, rows * _ROW.size)

    def start(self, row: int, claim_token: UUID) -> None:
        """Say that this process runs an attempt."""
        self._write(row, claim_token.bytes)

    def clear(self, row: int) -> None:
        """Say that it runs none."""
        self._write(row, _NOBODY)

    def running(self) -> list[Running]:
        """Return what every child runs now."""
        entries = [_ROW.unpack_from(self._memory, row * _ROW.size) for row in range(self._rows)]
        return [Running(UUID(bytes=token), pid) for token, pid in entries if token != _NOBODY]

    def _write(self, row: int, token: bytes) -> None:
        _ROW.pack_into(self._memory, row % self._rows * _ROW.size, token, os.getpid())
