"""Errors by which a task's code decides itself what follows: another attempt, the end, or a later start."""

from math import isfinite
from typing import Final

MAX_DELAY_SECONDS: Final = 366 * 86_400
"""The longest time from now to a start that a submit or a task's code can ask for."""

MIN_SNOOZE_SECONDS: Final = 1.0
"""The shortest snooze, so that code which waits for something does not keep a worker busy with asking."""


class TaskRetry(Exception):  # noqa: N818 Celery's name
    """Raise this to have another attempt, whatever ``autoretry_for`` says, while ``max_attempts`` allows one.

    ``after`` is the delay in seconds; without it the task type's own back-off is used. With
    ``raise TaskRetry(after=30) from error`` the error of the attempt is the one that was the cause.
    """

    def __init__(self, message: str = "the code asked for another attempt", *, after: float | None = None) -> None:
        """Raise ``ValueError`` if ``after`` is not a number from 0 to 366 days."""
        super().__init__(message)
        self.after = None if after is None else _seconds(after, 0.0)


class TaskFailure(Exception):  # noqa: N818 named for the fact
    """Raise this to end the task as FAILURE at once: there is no other attempt, whatever ``autoretry_for`` says.

    A subclass gives the error its own type.
    """


class TaskSnooze(Exception):  # noqa: N818 River's name
    """Raise this to run the task again after ``after`` seconds. The attempt does not count, and it is no failure.

    Use it while something is not ready yet. A task can be snoozed up to 100 times.
    """

    def __init__(self, *, after: float) -> None:
        """Raise ``ValueError`` if ``after`` is not a number from 1 second to 366 days."""
        super().__init__(f"again in {after} s")
        self.after = _seconds(after, MIN_SNOOZE_SECONDS)


class PutOff(Exception):  # noqa: N818 named for the fact
    """Raised by a task type of the service itself: a limit leaves no room for the attempt yet.

    The task waits again, uncounted, for as long as it takes. An operator's code cannot do that: it has ``TaskSnooze``.
    """

    def __init__(self, reason: str, *, after: float) -> None:
        """``after`` is in seconds. The tenant can read the reason."""
        super().__init__(reason)
        self.after = _seconds(after, 0.0)


def _seconds(after: float, minimum: float) -> float:
    # bool is a subclass of int, so True would mean one second.
    if isinstance(after, bool) or not isinstance(after, int | float) or not isfinite(after):
        message = f"after must be a number of seconds, not {type(after).__name__}"
        raise ValueError(message)
    if not minimum <= after <= MAX_DELAY_SECONDS:
        message = f"after must be from {minimum:g} to {MAX_DELAY_SECONDS} seconds"
        raise ValueError(message)
    return float(after)
