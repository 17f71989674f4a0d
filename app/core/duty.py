"""Duties: what a process does again and again, each by itself, so that one that fails keeps no other from it."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.core import backoff

T = TypeVar("T")

_log = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 1.0
_MAX_PAUSE: Final = 300.0
_LONG: Final = 600.0


class Duty:
    """One thing that is done each ``interval`` seconds. A failure is logged, and its pause grows each time."""

    def __init__(
        self,
        name: str,
        interval: float = 0.0,
        *,
        passes: Callable[[Exception], bool] = lambda _: False,
        max_seconds: float | None = None,
    ) -> None:
        """``passes`` tells of an error that the caller handles; after ``max_seconds`` the duty counts as failed."""
        self.name = name
        self.failures = 0
        """In a row."""
        self.failures_in_all = 0
        self._interval = interval
        self._passes = passes
        self._max_seconds = max_seconds
        self._next = 0.0

    @property
    def seconds_left(self) -> float:
        """Until it is due."""
        return max(0.0, self._next - time.monotonic())

    def is_due(self, *, at_once: bool = False) -> bool:
        """Tell whether the interval has passed, and begin the next one. ``at_once``: due now, save after a failure."""
        now = time.monotonic()
        if now < self._next and (self.failures or not at_once):
            return False
        self._next = now + self._interval
        return True

    async def run(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do it now; None when it failed. Raises what ``passes`` tells of, and nothing else."""
        self._next = time.monotonic() + self._interval
        try:
            async with asyncio.timeout(self._max_seconds) as limit:
                done = await work()
        except Exception as error:  # whatever it is, the other duties go on
            if self._passes(error) and not limit.expired():
                raise
            self.fail(error)
            return None
        self.failures = 0
        return done

    def fail(self, error: BaseException | None) -> float:
        """Log and count a failure; return the seconds until it is due again, however long its interval is."""
        self.failures += 1
        self.failures_in_all += 1
        pause = backoff.delay(self.failures, factor=_FIRST_PAUSE, maximum=_MAX_PAUSE, jitter=False)
        self._next = time.monotonic() + pause
        _log.error(
            "a duty has failed",
            exc_info=error,
            extra={
                "duty": self.name,
                "failures": self.failures,
                "failures_in_all": self.failures_in_all,
                "pause_s": pause,
            },
        )
        return pause


async def keep_running(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Run what never ends by itself, until cancelled: begin it again, after a growing pause, whenever it ends."""
    duty = Duty(name)
    while True:
        began, error = time.monotonic(), None
        try:
            await work()
        except Exception as raised:  # noqa: BLE001 whatever it is, it is logged and the work begun again
            error = raised
        if time.monotonic() - began > _LONG:
            # What went well for so long has not failed again and again.
            duty.failures = 0
        await asyncio.sleep(duty.fail(error))
