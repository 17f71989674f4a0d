"""When to attempt a call again, and when to give up."""

import random
import time

import httpx

from .errors import (
    APIError,
    ConnectionFailedError,
    QuotaExceededError,
    TaskQueueError,
    UnexpectedAnswerError,
    WaitTimeoutError,
)

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 8.0
LONGEST_WAIT = 20.0
"""Seconds for which one call waits for an end: less than what proxies allow."""
_MARGIN = 2.0
_REFUSED = 429
_BUSY = 503
_PASSING = frozenset({408, _REFUSED, 502, _BUSY, 504})


def connection_failure(error: httpx.HTTPError) -> ConnectionFailedError:
    """Return our exception for one of httpx's. It does not refer to it: that one's frames know the key."""
    was_sent = not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return ConnectionFailedError(text, was_sent=was_sent)


class Patience:
    """Attempts of one call: up to a deadline, with growing random pauses, and as ``Retry-After`` says."""

    def __init__(self, seconds: float, *, is_repeatable: bool = True) -> None:
        """``seconds`` is the time in which the last attempt begins."""
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        self._is_repeatable = is_repeatable
        self._pause = FIRST_PAUSE

    def left(self) -> float:
        """Return the seconds up to the deadline."""
        return max(0.0, self._deadline - time.monotonic())

    def succeeded(self) -> None:
        """Begin again after a success: the next failure has the whole time."""
        self._deadline = time.monotonic() + self._seconds
        self._pause = FIRST_PAUSE

    def pause_after(self, failure: TaskQueueError) -> float:
        """Return the seconds to pause after a failure; raises it when there is no use in another attempt."""
        if not may_pass(failure, is_repeatable=self._is_repeatable):
            raise failure
        asked = getattr(failure, "retry_after", None) or 0.0
        # Half of it is chance, so that clients that failed together do not come back together.
        chosen = max(asked, self._pause * random.uniform(0.5, 1.0))  # noqa: S311  # not a secret
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        if chosen > self.left():
            raise failure
        return chosen


def may_pass(failure: TaskQueueError, *, is_repeatable: bool) -> bool:
    """Return whether the same call may succeed later, and may be sent again."""
    if isinstance(failure, ConnectionFailedError):
        return is_repeatable or not failure.was_sent
    if isinstance(failure, QuotaExceededError):
        return False
    if not isinstance(failure, APIError | UnexpectedAnswerError):
        return False
    # A 429 is answered before anything is done.
    is_safe = is_repeatable or failure.status == _REFUSED
    is_passing = failure.status in _PASSING or getattr(failure, "code", None) == "idempotency_conflict"
    return is_passing and is_safe


class Wait:
    """Waiting for the end of a task or an operation, whatever happens to the connection meanwhile."""

    def __init__(self, what: str, seconds: float, read_timeout: float) -> None:
        """``read_timeout`` is the time that the client waits for an answer."""
        self._what = what
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds
        # A call must not wait longer than the client waits for its answer.
        self._longest = max(0.0, min(LONGEST_WAIT, read_timeout - _MARGIN))

    def left(self) -> float:
        """Return the seconds up to the deadline."""
        return max(0.0, self._deadline - time.monotonic())

    def of_one_call(self) -> float:
        """Return how many seconds the next call is to wait."""
        return round(min(self._longest, self.left()), 3)

    def check(self, status: str) -> None:
        """Raise ``WaitTimeoutError`` when the time is over."""
        if not self.left():
            raise WaitTimeoutError(f"{self._what} is {status} after {self._seconds:g} s; it goes on")
