"""Watch the event loop of the asyncio pool from another thread, and find the asyncio task that blocks it."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from app.worker.aio.cpu_watchdog import CpuWatchdog
from app.worker.runtime import MAX_STALL_SECONDS, Runtime

_log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 0.5
_OVERDUE_SECONDS: Final = 2.0
# Seconds. A longer gap between two looks, with little CPU time, means that this process was stopped: then no code has
# blocked the loop.
_GAP: Final = 2.0
# Seconds of CPU time that the loop's thread may use while this thread cannot run even once.
_ALONE_SECONDS: Final = 15
# Seconds. A loop that was blocked for longer does not count as responsive, so the worker shows no slots.
_LATE_SECONDS: Final = 5.0

Holder: TypeAlias = "asyncio.Task[Any] | None"


class LoopWatchdog:
    """Looks at the loop twice a second, until it is closed or the loop was blocked for 10 s.

    Code that has passed its hard limit may block for 2 s only: the dispatcher would soon take its attempt away,
    uncounted, and the task would run again. A loop that is merely slow, because a thousand tasks compute a little each,
    is not ended: the same task or callback must hold the loop at every look.
    """

    def __init__(self, runtime: Runtime, end: Callable[[Holder], None], is_overdue: Callable[[Holder], bool]) -> None:
        """``end`` is called once, on the watchdog's thread, with the task that blocks the loop; None for a callback.

        ``is_overdue`` returns whether the code of such a task has run longer than its hard limit.
        """
        self._runtime = runtime
        self._end = end
        self._is_overdue = is_overdue
        self._is_closed = threading.Event()
        self._alarm = CpuWatchdog(runtime.thread_id, _ALONE_SECONDS)
        self._holder: Holder = None
        self._held_since = self._looked_at = time.monotonic()
        self._computed = time.process_time()
        threading.Thread(target=self._run, name="loop-watchdog", daemon=True).start()

    def is_responsive(self) -> bool:
        """Return whether the loop has run in the last 5 seconds."""
        return time.monotonic() - self._runtime.alive_at < _LATE_SECONDS

    def close(self) -> None:
        """Stop the thread."""
        self._is_closed.set()
        self._alarm.stop()

    def _run(self) -> None:
        while not self._is_closed.wait(_LOOK_SECONDS):
            # This thread runs, so the GIL is free. If it could not run, nobody would restart the timer, and the kernel
            # would end the process.
            self._alarm.wind()
            if self._stands_still(asyncio.current_task(self._runtime.loop), time.monotonic()):
                self._alarm.stop()
                self._end(self._holder)
                return

    def _stands_still(self, holder: Holder, now: float) -> bool:
        was_stopped = self._was_stopped(now)
        if was_stopped or holder is not self._holder:
            self._holder, self._held_since = holder, now
        # Since the holder was first seen, or since the loop last ran anything else: whichever is later.
        held = now - max(self._held_since, self._runtime.alive_at)
        return held > MAX_STALL_SECONDS or (held > _OVERDUE_SECONDS and self._is_overdue(holder))

    def _was_stopped(self, now: float) -> bool:
        gap, self._looked_at = now - self._looked_at, now
        computed, self._computed = time.process_time() - self._computed, time.process_time()
        return gap > _GAP and computed < gap / 2
