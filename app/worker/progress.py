"""Limit how often progress is written: the first report at once, then only the latest one of each interval."""

import threading
from collections.abc import Callable
from typing import Final

from app.tasks.definition.context import Progress

# Seconds between two writes of one attempt.
INTERVAL: Final = 0.25


class ProgressReporter:
    """Receives every progress report of an attempt and writes at most four a second. The latest one is never lost."""

    def __init__(self, write: Callable[[Progress], None]) -> None:
        """``write`` must not block. It is called from the task's thread or from a timer's thread."""
        self._write = write
        self._lock = threading.Lock()
        self._latest: Progress | None = None
        self._timer: threading.Timer | None = None
        self._is_closed = False

    def report(self, progress: Progress) -> None:
        """Keep a report. Write it now, unless another one was written within the interval."""
        with self._lock:
            self._latest = progress
            if self._timer is not None or self._is_closed:
                return
            self._arm()
        # Outside the lock, so that a slow write never blocks the timer's thread.
        self._write(progress)

    def take(self) -> Progress | None:
        """End reporting and return the latest report, which the finish writes; None if there was none."""
        with self._lock:
            self._is_closed = True
            if self._timer is not None:
                self._timer.cancel()
            return self._latest

    def _arm(self) -> None:
        reported = self._latest
        self._timer = threading.Timer(INTERVAL, lambda: self._expire(reported))
        self._timer.daemon = True
        self._timer.start()

    def _expire(self, reported: Progress | None) -> None:
        with self._lock:
            self._timer = None
            latest = self._latest
            if self._is_closed or latest is reported or latest is None:
                return
            self._arm()
        self._write(latest)
