"""Ending an attempt from outside: the main process kills the child that runs it, and no other."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Final

from app.worker.board import Attempt, Board

_STEP: Final = 0.005
_STOP_TIMEOUT: Final = 1.0
_END_TIMEOUT: Final = 5.0


async def kill(board: Board, attempt: Attempt) -> bool:
    """Kill the child, if it still runs this attempt; False when the attempt had ended by itself.

    A child takes its next attempt at any moment. It is stopped first, so that what it is killed for is what it runs.
    """
    if is_gone(attempt.pid):
        return _is_lost(board, attempt)
    _send(attempt.pid, signal.SIGSTOP)
    await _until(attempt.pid, "TtZX", _STOP_TIMEOUT)
    if not board.holds(attempt):
        _send(attempt.pid, signal.SIGCONT)
        return False
    _send(attempt.pid, signal.SIGKILL)
    await _until(attempt.pid, "ZX", _END_TIMEOUT)
    return _is_lost(board, attempt)


def is_gone(pid: int) -> bool:
    """Tell whether a child of this process has ended, reaped or not; its number may be another's by now."""
    state, parent = _stat(pid)
    return state in "ZX" or parent != os.getpid()


def _is_lost(board: Board, attempt: Attempt) -> bool:
    # It died with the attempt in hand, or had ended it before.
    is_lost = board.holds(attempt)
    board.forget(attempt)
    return is_lost


def _send(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


async def _until(pid: int, states: str, seconds: float) -> None:
    """Wait until a process is in one of these states, or gone."""
    for _ in range(int(seconds / _STEP)):
        if _stat(pid)[0] in states:
            return
        await asyncio.sleep(_STEP)


def _stat(pid: int) -> tuple[str, int]:
    """Return a process's state and its parent; of one that is gone ``X`` and 0."""
    try:
        # The name in parentheses may hold blanks: the fields come behind it.
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return "X", 0
    return state, int(parent)
