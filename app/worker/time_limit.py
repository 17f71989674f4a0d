"""The soft time limit: a timer in the child, armed around the task's function only."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from app.tasks.context import SoftTimeLimitExceeded


@contextmanager
def soft(seconds: float) -> Iterator[None]:
    """Raise ``SoftTimeLimitExceeded`` in the main thread's code after so long."""

    def expire(_signal: int, _frame: FrameType | None) -> None:
        message = f"the attempt ran for more than {seconds:g} s"
        raise SoftTimeLimitExceeded(message)

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
