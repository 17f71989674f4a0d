"""Duties: work that a process repeats. Each duty runs separately, so that one that fails does not stop the others."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from app.core import backoff

T = TypeVar("T")

_log = logging.getLogger(__name__)

# Seconds before a failed duty is tried again; doubled with each further failure.
_FIRST_PAUSE: Final = 1.0
_MAX_PAUSE: Final = 300.0
# Seconds of running well after which earlier failures are forgotten.
_LONG: Final = 600.0


class Duty:
    """Work that is done every ``interval`` seconds. Each failure is logged, and makes the next pause longer."""

    def __init__(
        self,
        name: str,
        interval: float = 0.0,
        *,
        passes: Callable[[Exception], bool] = lambda _: False,
        max_seconds: float | None = None,
    ) -> None:
        """``passes`` returns whether ``run`` raises an error, because the caller handles it, instead of logging it.

        After ``max_seconds`` a run is cancelled and counts as failed.
        """
        self.name = name
        self.failures = 0
        """Failures since the last success."""
        self.failures_in_all = 0
        self._interval = interval
        self._passes = passes
        self._max_seconds = max_seconds
        self._next = 0.0

    @property
    def seconds_left(self) -> float:
        """Seconds until it is due."""
        return max(0.0, self._next - time.monotonic())

    def is_due(self, *, at_once: bool = False) -> bool:
        """Return whether the interval has passed; if so, the next interval begins.

        With ``at_once`` it is due in any case, except during the pause after a failure.
        """
        now = time.monotonic()
        if now < self._next and (self.failures or not at_once):
            return False
        self._next = now + self._interval
        return True

    async def run(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Do the work now; return None if it failed. Raises only errors for which ``passes`` is true."""
        self._next = time.monotonic() + self._interval
        try:
            async with asyncio.timeout(self._max_seconds) as limit:
                done = await work()
        except Exception as error:  # after any error the other duties must go on
            # A TimeoutError of our own limit is a failure of this duty, whatever ``passes`` says of timeouts.
            if self._passes(error) and not limit.expired():
                raise
            self.fail(error)
            return None
        self.failures = 0
        return done

    def fail(self, error: BaseException | None) -> float:
        """Log and count a failure; return the pause in seconds until it is due again. The interval does not count."""
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
    """Run endless work until cancelled. If it ends or fails, start it again after a growing pause."""
    duty = Duty(name)
    while True:
        began, error = time.monotonic(), None
        try:
            await work()
        except Exception as raised:  # noqa: BLE001 after any error it is logged and the work is started again
            error = raised
        if time.monotonic() - began > _LONG:
            # It ran well for ten minutes, so this is a new problem: begin with the shortest pause.
            duty.failures = 0
        await asyncio.sleep(duty.fail(error))
