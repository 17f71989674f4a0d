"""Ctrl-C and its kin: the first stops the stack, the second makes that quick."""

import signal
from types import FrameType


class Interrupts:
    """Counts the signals that ask us to end."""

    def __init__(self) -> None:
        """Begin with none."""
        self._count = 0

    def install(self) -> None:
        """Listen; nohup's choice to ignore a hang-up is kept."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN or number != signal.SIGHUP:
                signal.signal(number, self._handle)

    def is_urgent(self) -> bool:
        """Tell whether we were asked twice."""
        return self._count > 1

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._count += 1
        # Only the first breaks off what is going on; the stopping itself must come to its end.
        if self._count == 1:
            raise KeyboardInterrupt
