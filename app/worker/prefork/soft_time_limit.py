"""The soft time limit: a timer in the child, armed around the task's function only."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

from app.tasks.context import SoftTimeLimitExceeded

Interrupt: TypeAlias = Callable[[SoftTimeLimitExceeded, FrameType | None], None]


class _Limit:
    """The soft limit of the code that runs now."""

    seconds = 0.0
    """0 while no code runs."""
    interrupt: Interrupt | None = None
    """Interrupts a coroutine, which may be waiting; None for a sync function."""


def _expire(_signal: int, frame: FrameType | None) -> None:
    if not _Limit.seconds:
        return
    error = SoftTimeLimitExceeded(f"the attempt ran for more than {_Limit.seconds:g} s")
    if _Limit.interrupt is None:
        raise error
    _Limit.interrupt(error, frame)


@contextmanager
def soft(seconds: float) -> Iterator[None]:
    """Raise ``SoftTimeLimitExceeded`` in the main thread's code after so long."""
    if signal.getsignal(signal.SIGALRM) is not _expire:
        # It stays: to change it for each task costs more than the timer.
        signal.signal(signal.SIGALRM, _expire)
    _Limit.seconds = seconds
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        _Limit.seconds = 0.0


@contextmanager
def interrupt_with(interrupt: Interrupt) -> Iterator[None]:
    """Have this called at the limit, in the signal's handler, with the frame that runs then; it may raise there."""
    _Limit.interrupt = interrupt
    try:
        yield
    finally:
        _Limit.interrupt = None
