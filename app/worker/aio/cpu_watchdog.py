"""End a process in which one thread never lets another one run, because C code keeps Python's global lock (the GIL).

No Python code can notice that, so the kernel does: a POSIX timer (``timer_create(2)``) counts the thread's CPU time.
Unless it is restarted in time, it sends a signal that ends the process. It does not count while the process is stopped
or waits.
"""

import ctypes
import os
import signal
import time
from typing import Final

_SIGNAL: Final = signal.SIGVTALRM


class _SignalEvent(ctypes.Structure):
    """``struct sigevent`` of Linux. The padding stands for members that are not used here."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("unused", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """``struct itimerspec``: the interval of repetitions, and the time until the first signal."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class CpuWatchdog:
    """Ends the process if one thread uses more CPU time than allowed before the next ``wind``."""

    def __init__(self, thread: int, seconds: int) -> None:
        """``thread`` is a ``threading.get_ident``, ``seconds`` its CPU time. The timer starts with the first ``wind``.

        Raises ``OSError`` if the kernel has no timer for it.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        self._seconds = seconds
        # The default action of the signal ends the process. A blocked signal would wait for ever.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [_SIGNAL])
        event = _SignalEvent(number=_SIGNAL, notify=0)
        clock = time.pthread_getcpuclockid(thread)
        if self._libc.timer_create(ctypes.c_int(clock), ctypes.byref(event), ctypes.byref(self._timer)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def wind(self) -> None:
        """Restart the timer: the thread gets its whole CPU time again."""
        self._set(self._seconds)

    def stop(self) -> None:
        """Disarm the timer."""
        self._set(0)

    def _set(self, seconds: int) -> None:
        self._libc.timer_settime(self._timer, 0, ctypes.byref(_Times(seconds=seconds)), None)
