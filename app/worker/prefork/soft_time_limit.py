"""The soft time limit: a timer in the child that is armed only while the task's function runs."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

from app.tasks.definition.context import SoftTimeLimitExceeded

Interrupt: TypeAlias = Callable[[SoftTimeLimitExceeded, FrameType | None], None]


class _Limit:
    """The soft limit of the code that runs now. Signal handlers are global, and so is this state."""

    seconds = 0.0
    """0 while no code runs."""
    interrupt: Interrupt | None = None
    """Interrupts a coroutine, which may be waiting; None for a sync function."""


def _expire(_signal: int, frame: FrameType | None) -> None:
    # The signal may arrive late, when the code has ended. Then it must not interrupt ours.
    if not _Limit.seconds:
        return
    error = SoftTimeLimitExceeded(f"the attempt ran for more than {_Limit.seconds:g} s")
    if _Limit.interrupt is None:
        raise error
    _Limit.interrupt(error, frame)


@contextmanager
def soft(seconds: float) -> Iterator[None]:
    """Raise ``SoftTimeLimitExceeded`` in the code that runs in the block after ``seconds``. Main thread only."""
    if signal.getsignal(signal.SIGALRM) is not _expire:
        # The handler is not removed afterwards: setting it for each task costs more than the timer itself.
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
    """Call ``interrupt`` at the limit instead of raising, with the error and the frame that runs at that moment.

    It is called inside the signal handler, and may raise there.
    """
    _Limit.interrupt = interrupt
    try:
        yield
    finally:
        _Limit.interrupt = None
