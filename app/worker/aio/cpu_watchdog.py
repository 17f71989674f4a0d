"""End a process whose thread computes without ever letting other threads run: code in C that keeps the GIL.

No Python code can notice that, so the kernel does: a POSIX timer of the thread's own CPU time (``timer_create(2)``),
which sends a signal that ends the process unless it is wound up again in time. While the process is stopped, or waits,
the timer stands still.
"""

import ctypes
import os
import signal
import time
from typing import Final

_SIGNAL: Final = signal.SIGVTALRM


class _SignalEvent(ctypes.Structure):
    """``struct sigevent`` of Linux, padded for its members that are not used here."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("unused", ctypes.c_char * 48),
    )


class _Times(ctypes.Structure):
    """``struct itimerspec``: the interval of repeats, and the time to the first."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class CpuWatchdog:
    """Ends the process if one thread uses more than its CPU time before the watchdog is wound again."""

    def __init__(self, thread: int, seconds: int) -> None:
        """``thread`` is a ``threading.get_ident``; nothing counts before the first ``wind``."""
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._timer = ctypes.c_void_p()
        self._seconds = seconds
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [_SIGNAL])
        event = _SignalEvent(number=_SIGNAL, notify=0)
        clock = time.pthread_getcpuclockid(thread)
        if self._libc.timer_create(ctypes.c_int(clock), ctypes.byref(event), ctypes.byref(self._timer)):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    def wind(self) -> None:
        """Restart the timer with the thread's whole CPU time."""
        self._set(self._seconds)

    def stop(self) -> None:
        """Disarm the timer."""
        self._set(0)

    def _set(self, seconds: int) -> None:
        self._libc.timer_settime(self._timer, 0, ctypes.byref(_Times(seconds=seconds)), None)
