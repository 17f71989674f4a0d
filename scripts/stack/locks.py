"""One command at a time on one folder: advisory locks that end with their holder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.stack.console import say
from scripts.stack.errors import StackError

_PATIENCE_SECONDS = 900.0


@contextmanager
def held(path: Path, while_waiting: str = "") -> Iterator[int]:
    """Hold the lock of a file or folder; yields its descriptor, for children that must hold it too."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    try:
        _acquire(descriptor, path, while_waiting)
        yield descriptor
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path, while_waiting: str) -> None:
    if _try(descriptor):
        return
    if while_waiting:
        say(while_waiting)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _try(descriptor):
        if time.monotonic() > deadline:
            message = f"{path} has been locked for {_PATIENCE_SECONDS:.0f} s: end the command that holds it"
            raise StackError(message)
        time.sleep(0.05)


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
