"""Waiting for a condition: bounded, and named when it does not come true."""

import time
from collections.abc import Callable


class NeverHappenedError(AssertionError):
    """What was waited for did not come."""


def until(condition: Callable[[], object], what: str, seconds: float = 40.0, step: float = 0.02) -> float:
    """Wait until a condition holds; return how long it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > seconds:
            raise NeverHappenedError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(step)
    return time.monotonic() - began


def last(seconds: float, step: float = 0.05) -> None:
    """Let a fault last: time is what it is about."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        time.sleep(min(step, left))


class Every:
    """Tells when so many seconds have passed again."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next = time.monotonic() + seconds

    def is_due(self) -> bool:
        """Return True once for each time that the seconds have passed."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._seconds
        return True
