"""End an attempt from outside: the main process kills the child that runs it, with all its descendants."""

import asyncio
import os
import signal
from collections.abc import Callable
from typing import Final

from app.worker import process_tree
from app.worker.prefork.shared_attempts import SharedAttempt, SharedAttempts

# Seconds between two looks at a process, and the longest waits for it to stop or to end.
_STEP: Final = 0.005
_STOP_TIMEOUT: Final = 1.0
_END_TIMEOUT: Final = 5.0


async def kill(shared_attempts: SharedAttempts, attempt: SharedAttempt) -> bool:
    """Kill the child if it still runs this attempt; return False if the attempt had ended by itself.

    A child may begin its next attempt at any moment. So it is stopped first, and killed only if it still runs this one.
    """
    if is_gone(attempt.pid):
        return _is_lost(shared_attempts, attempt)
    await _stop(attempt.pid)
    if not shared_attempts.holds(attempt):
        process_tree.send(attempt.pid, signal.SIGCONT)
        return False
    # Before the child dies: otherwise the supervisor would see a dead child and write the attempt as crashed.
    shared_attempts.forget(attempt)
    await _kill_stopped(attempt.pid)
    return True


async def kill_child(pid: int, is_still_due: Callable[[], bool] = lambda: True) -> bool:
    """Kill a child of the pool; return False if it is gone, or if ``is_still_due`` returns false once it is stopped."""
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
    # The child is killed last: when a parent ends, the kernel continues its stopped children (POSIX, orphaned process
    # groups). This process then inherits the killed descendants and reaps them.
    process_tree.kill((*family, pid))
    await _until(pid, "ZX", _END_TIMEOUT)
    if family:
        await asyncio.to_thread(process_tree.reap, family)


def is_gone(pid: int) -> bool:
    """Return whether a child has ended, reaped or not. The parent is checked too, because pids are reused."""
    found = process_tree.stat(pid)
    return found.state in "ZX" or found.parent != os.getpid()


def _is_lost(shared_attempts: SharedAttempts, attempt: SharedAttempt) -> bool:
    # The child died during the attempt, or after it had written the end.
    is_lost = shared_attempts.holds(attempt)
    shared_attempts.forget(attempt)
    return is_lost


async def _until(pid: int, states: str, seconds: float) -> None:
    """Wait until a process is in one of these states, or gone."""
    for _ in range(int(seconds / _STEP)):
        if process_tree.stat(pid).state in states:
            return
        await asyncio.sleep(_STEP)
