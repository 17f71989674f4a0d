"""Find and end the processes that a task's code has started. They end with the attempt that started them.

The pool's main process and its children are "subreapers" (``prctl(2)``): a process whose parent has ended becomes
their child instead of init's. So no process can leave the tree, however often it forks. The tree is read in ``/proc``.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

_PR_SET_CHILD_SUBREAPER: Final = 36  # linux/prctl.h
# Each look stops more of a tree that forks fast. This bounds the looks at a tree that never stops forking.
_LOOKS: Final = 20
# Seconds to wait until killed processes leave no zombie behind, and between two looks.
_REAP_SECONDS: Final = 1.0
_STEP: Final = 0.005
# A PyDLL's functions keep the interpreter's lock while they run.
_LIBC: Final = ctypes.PyDLL(None)


class Stat(NamedTuple):
    """The fields of ``/proc/<pid>/stat`` that are used here."""

    state: str
    """One letter; ``X`` if the process does not exist."""
    parent: int


def stat(pid: int) -> Stat:
    """Return a process's state and its parent; ``X`` and 0 if it does not exist."""
    try:
        # The name in parentheses may contain spaces, so only the text after it is split.
        state, parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except (OSError, ValueError):
        return Stat("X", 0)
    return Stat(state, int(parent))


def adopt() -> None:
    """Make this process the parent of all its descendants whose own parent ends."""
    _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1)


def find(pid: int, spared: Collection[int] = ()) -> set[int]:
    """Return all descendants of a process except the spared ones; the children of spared ones are included."""
    children: dict[int, list[int]] = {}
    for other in all_pids():
        found = stat(other)
        if found.state != "X":
            children.setdefault(found.parent, []).append(other)
    return set(_below(pid, children)) - set(spared)


def all_pids() -> Iterator[int]:
    """Return the number of every process."""
    return (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 it is asked for names only


def _below(pid: int, children: dict[int, list[int]]) -> Iterator[int]:
    for child in children.get(pid, ()):
        yield child
        yield from _below(child, children)


def freeze(pid: int, spared: Collection[int] = ()) -> set[int]:
    """Send SIGSTOP to all descendants of a process, so that none can start another one, and return their pids."""
    frozen: set[int] = set()
    # One look is not enough: a process may fork between the look and its SIGSTOP.
    for _ in range(_LOOKS):
        moving = find(pid, spared) - frozen
        if not moving:
            break
        for one in moving:
            send(one, signal.SIGSTOP)
        frozen |= moving
    return frozen


def send(pid: int, number: int) -> None:
    """Send a signal to a process; do nothing if it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def kill(pids: Iterable[int]) -> None:
    """Kill processes that were stopped."""
    for pid in pids:
        send(pid, signal.SIGKILL)


def end_own() -> int:
    """Kill the processes that the code has left behind, and return their number.

    Usually there are none, which costs one system call.
    """
    if not _has_children():
        return 0
    ended = 0
    # The end of a parent may continue a stopped process, so one look is not always enough.
    for _ in range(_LOOKS):
        _reap_known()
        left = freeze(os.getpid(), _helpers())
        if not left:
            break
        kill(left)
        reap(left)
        ended += len(left)
    return ended


def _has_children() -> bool:
    # WNOWAIT only looks: it fails if this process has no children at all, dead or alive. os.waitid would let other
    # threads have the interpreter, and taking it back costs far more than this call, which returns at once.
    return bool(_LIBC.waitid(os.P_ALL, 0, None, os.WEXITED | os.WNOHANG | os.WNOWAIT) == 0)


def reap(pids: Collection[int]) -> None:
    """Wait up to a second until killed processes, which are or become children of this one, are gone from ``/proc``."""
    waiting, until = set(pids), time.monotonic() + _REAP_SECONDS
    _reap_known()
    while waiting and time.monotonic() < until:
        waiting = {pid for pid in waiting if not _is_reaped(pid)}
        if waiting:
            time.sleep(_STEP)


def _is_reaped(pid: int) -> bool:
    # It becomes our child only when its parent has ended. Before that, waitpid fails.
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    return stat(pid).state == "X"


def _reap_known() -> None:
    # multiprocessing must reap its own children itself: otherwise its Process objects report them alive for ever.
    if module := sys.modules.get("multiprocessing"):
        module.active_children()


def _helpers() -> set[int]:
    """Return multiprocessing's two helper processes. It reuses them for later tasks, so they must not be killed."""
    helpers = (("resource_tracker", "_resource_tracker", "_pid"), ("forkserver", "_forkserver", "_forkserver_pid"))
    found = set()
    for name, instance, attribute in helpers:
        module = sys.modules.get(f"multiprocessing.{name}")
        found.add(getattr(getattr(module, instance, None), attribute, None))
    return {pid for pid in found if pid}


def leave_if_forked(pid: int, error: BaseException | None) -> None:
    """End this process at once if it is not ``pid``: then it is a fork made by the code, which has returned here.

    ``error`` is what the code raised, and decides the exit code as in Python itself.
    """
    # A fork that went on from here would finish the attempt a second time, over the parent's connections.
    if os.getpid() == pid:
        return
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        os._exit(error.code & 0xFF)
    if error is not None and not isinstance(error, SystemExit):
        with suppress(BaseException):
            sys.excepthook(type(error), error, error.__traceback__)
    is_success = error is None or (isinstance(error, SystemExit) and error.code is None)
    os._exit(0 if is_success else 1)
