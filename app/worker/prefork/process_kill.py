"""Ending an attempt from outside: the main process kills the child that runs it, with all that this has started."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

from app.worker import process_tree
from app.worker.prefork.shared_attempts import Attempt, SharedAttempts

_STEP: Final = 0.005
_STOP_TIMEOUT: Final = 1.0
_END_TIMEOUT: Final = 5.0


async def kill(shared_attempts: SharedAttempts, attempt: Attempt) -> bool:
    """Kill the child, if it still runs this attempt; False when the attempt had ended by itself.

    A child takes its next attempt at any moment. It is stopped first, so that what it is killed for is what it runs.
    """
    if is_gone(attempt.pid):
        return _is_lost(shared_attempts, attempt)
    await _stop(attempt.pid)
    if not shared_attempts.holds(attempt):
        process_tree.send(attempt.pid, signal.SIGCONT)
        return False
    # Before it is dead: so the supervisor finds no attempt that a crash has ended.
    shared_attempts.forget(attempt)
    await _kill_stopped(attempt.pid)
    return True


async def kill_child(pid: int, is_still_due: Callable[[], bool] = lambda: True) -> bool:
    """Kill a child of the pool; False when it is gone, or is no longer to be killed once it is stopped."""
    if is_gone(pid):
        return False
    await _stop(pid)
    if not is_still_due():
        process_tree.send(pid, signal.SIGCONT)
        return False
    await _kill_stopped(pid)
    return True


async def _stop(pid: int) -> None:
    process_tree.send(pid, signal.SIGSTOP)
    await _until(pid, "TtZX", _STOP_TIMEOUT)


async def _kill_stopped(pid: int) -> None:
    family = process_tree.freeze(pid)
    # It last: the end of a parent wakes what is stopped and left alone (POSIX, orphaned process groups). What it has
    # started then becomes this process's own, which waits for it.
    process_tree.kill((*family, pid))
    await _until(pid, "ZX", _END_TIMEOUT)
    if family:
        await asyncio.to_thread(process_tree.reap, family)


def is_gone(pid: int) -> bool:
    """Tell whether a child of this process has ended, reaped or not; its number may be another's by now."""
    found = process_tree.stat(pid)
    return found.state in "ZX" or found.parent != os.getpid()


def _is_lost(shared_attempts: SharedAttempts, attempt: Attempt) -> bool:
    # It died with the attempt in hand, or had ended it before.
    is_lost = shared_attempts.holds(attempt)
    shared_attempts.forget(attempt)
    return is_lost


async def _until(pid: int, states: str, seconds: float) -> None:
    """Wait until a process is in one of these states, or gone."""
    for _ in range(int(seconds / _STEP)):
        if process_tree.stat(pid).state in states:
            return
        await asyncio.sleep(_STEP)
