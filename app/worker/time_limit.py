"""The soft time limit: a timer in the child, armed around the task's function only."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app.tasks.context import SoftTimeLimitExceeded


class _Limit:
    """Of the code that runs now, in seconds; 0 where none does."""

    seconds = 0.0


def _expire(_signal: int, _frame: FrameType | None) -> None:
    if _Limit.seconds:
        message = f"the attempt ran for more than {_Limit.seconds:g} s"
        raise SoftTimeLimitExceeded(message)


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
