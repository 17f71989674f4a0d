"""Turn the end of an attempt into an outcome that can be stored, before anything is written (pure)."""

import json
from collections import deque
from dataclasses import replace
from math import isfinite
from typing import Any, Final, Protocol

from app.core import backoff, sanitize
from app.tasks.definition.control import MAX_DELAY_SECONDS, PutOff, TaskFailure, TaskRetry, TaskSnooze
from app.tasks.definition.types import TaskType
from app.tasks.run.attempts import Outcome

MAX_LOST: Final = 5
"""A task fails after this many lost attempts, because its code may be what kills the workers."""

MAX_SNOOZES: Final = 100
"""A snooze ends the task after this many attempts that did not count."""

SMALL_RESULT: Final = 2_000
"""Bytes up to which a result is kept in the row of its task. A larger one has a row of its own."""

CANCELLED: Final = {"type": "Cancelled", "message": "cancelled on request"}
"""The error of a task that its tenant has cancelled."""
EXPIRED: Final = {"type": "Expired", "message": "not started within expires_seconds"}
"""The error of a task that was not started in time."""

# Characters. The error is part of every status answer and of the webhook, and its text comes from the tenant's code.
_MAX_MESSAGE: Final = 2_000
_MAX_TYPE: Final = 128
_SEQUENCES: Final = (list, tuple, set, frozenset, deque)
_compact: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


class UnusableResult(ValueError):  # noqa: N818 tenants read it as the error's type
    """The function's return value cannot be stored; the message says why."""


class TimeLimitExceeded(Exception):  # noqa: N818 Celery's name
    """The attempt ran beyond its hard limit, and was ended by force."""


class TaskCrashed(RuntimeError):  # noqa: N818 tenants read it as the error's type
    """The code did what ends a process (MemoryError, SystemExit, a signal, …); the message says which."""


class TooManySnoozes(Exception):  # noqa: N818 tenants read it as the error's type
    """The code snoozed its task once more than allowed."""


class FailureCounts(Protocol):
    """The failed and allowed attempts of a task."""

    @property
    def failed_attempts(self) -> int:
        """Return how many attempts failed before this one."""

    @property
    def max_attempts(self) -> int:
        """Return how many attempts may fail before the task does."""


def success(task_type: TaskType, returned: Any, max_bytes: int) -> Outcome:
    """Return the outcome of a function that returned; a result that cannot be stored is a failure for good.

    ``max_bytes`` of JSON are what the tenant's plan keeps.
    """
    try:
        return Outcome("SUCCESS", "SUCCESS", result=_storable(task_type, returned, max_bytes))
    except BaseException as error:  # noqa: BLE001 the result's own code runs here too, and may do anything
        reason = error if isinstance(error, UnusableResult) else UnusableResult(f"not JSON: {_text(error)}")
        return Outcome("FAILURE", "FAILURE", error=_error(reason))


def failure(task_type: TaskType, attempt: FailureCounts, error: BaseException) -> Outcome:
    """Return the outcome of a function that raised: another attempt, or the end."""
    # Only failures count: attempts that were lost or returned must not use up what the task may retry.
    failures = attempt.failed_attempts + 1
    if failures >= attempt.max_attempts or not _asks_for_retry(task_type, error):
        return Outcome("FAILURE", "FAILURE", error=_error(_told(error)))
    delay = _after(error)
    if delay is None:
        delay = backoff.delay(
            failures,
            factor=task_type.retry_backoff,
            maximum=task_type.retry_backoff_max,
            jitter=task_type.retry_jitter,
        )
    return Outcome("RETRY", "FAILURE", error=_error(_told(error)), delay_seconds=delay)


def snoozed(error: TaskSnooze, uncounted: int) -> Outcome:
    """Return the outcome of an attempt whose code asked for a later start: the task waits again, uncounted.

    ``uncounted`` attempts of the task before this one did not count either. Lost and returned ones are among them, so
    that the bound needs no look at the history.
    """
    delay = _after(error)
    if delay is None:
        return Outcome("FAILURE", "FAILURE", error=_error(UnusableResult("a TaskSnooze without its delay")))
    if uncounted >= MAX_SNOOZES:
        message = f"{MAX_SNOOZES} attempts did not count: raise TaskRetry, or end the task"
        return Outcome("FAILURE", "FAILURE", error=_error(TooManySnoozes(message)))
    # The type is fixed, also for a subclass: task_statuses recognises a snoozed task by it.
    return Outcome("PENDING", "RETURNED", error={"type": "TaskSnooze", "message": _text(error)}, delay_seconds=delay)


def put_off(error: PutOff) -> Outcome:
    """Return the outcome of an attempt that a limit leaves no room for yet: the task waits again, uncounted."""
    return Outcome("PENDING", "RETURNED", error=_error(error), delay_seconds=error.after)


def returned(delay_seconds: float) -> Outcome:
    """Return the outcome of an attempt that this worker could not begin: it waits again, and nothing is counted."""
    return Outcome("PENDING", "RETURNED", delay_seconds=delay_seconds)


def lost(times_lost: int) -> Outcome:
    """Return the outcome of an attempt whose process died; ``times_lost`` of the task's attempts ended so before."""
    if times_lost + 1 < MAX_LOST:
        return Outcome("PENDING", "LOST")
    message = f"{MAX_LOST} of its attempts ended with their worker's end"
    return Outcome("FAILURE", "LOST", error={"type": "WorkerLost", "message": message})


def taken_away() -> Outcome:
    """Return the outcome of an attempt whose process ends because of another task's code. It does not count as lost.

    ``store.retry_state`` recognises it by the type of its error.
    """
    return Outcome("PENDING", "LOST", error={"type": "WorkerRestarted", "message": "its worker had to start again"})


def revoked() -> Outcome:
    """Return the outcome of an attempt that was ended because the tenant cancelled its task."""
    return Outcome("REVOKED", "REVOKED", error=CANCELLED)


def without_content(outcome: Outcome) -> Outcome:
    """Return an outcome that says the same without what the code returned or raised: it cannot be stored."""
    if outcome.result is not None:
        return Outcome("FAILURE", "FAILURE", error=_error(UnusableResult("it cannot be stored")))
    if outcome.error is not None:
        return replace(outcome, error={"type": "UnusableError", "message": "what was raised cannot be stored"})
    return outcome


def _asks_for_retry(task_type: TaskType, error: BaseException) -> bool:
    if isinstance(error, TaskRetry | TaskFailure):
        return isinstance(error, TaskRetry)
    return isinstance(error, task_type.autoretry_for)


def _after(error: BaseException) -> float | None:
    # A subclass may not have called __init__, or may have changed the value.
    after = getattr(error, "after", None) if isinstance(error, TaskRetry | TaskSnooze) else None
    return after if type(after) is float and 0 <= after <= MAX_DELAY_SECONDS else None


def _told(error: BaseException) -> BaseException:
    """Return the error to show: a ``TaskRetry`` that was raised from another error shows that one."""
    return (error.__cause__ or error) if isinstance(error, TaskRetry) else error


def _storable(task_type: TaskType, returned: Any, max_bytes: int) -> str:
    # Validated first: the declared type also converts, for example a model's defaults or a date.
    value = task_type.result.validate_python(returned)
    text = _compact(task_type.result.dump_python(value, mode="json"))
    # Encoding finds half a surrogate pair.
    size = len(text.encode())
    if size > max_bytes:
        message = f"{size} bytes of JSON, over the plan's {max_bytes}: store it elsewhere and return a reference"
        raise UnusableResult(message)
    if sanitize.holds_nul(text):
        raise UnusableResult("it holds a NUL character")
    # Without a number type, pydantic writes NaN as null, which would change the result silently.
    if "null" in text and _holds_no_number(task_type, value):
        raise UnusableResult("not JSON: it holds NaN or an infinity")
    return text


def _holds_no_number(task_type: TaskType, value: Any) -> bool:
    try:
        left = [task_type.result.dump_python(value)]
    except Exception:  # noqa: BLE001 it can be made JSON of, and of nothing else
        return False
    # A loop over a list instead of a recursion: the value may be nested more deeply than Python's stack allows.
    while left:
        one = left.pop()
        if isinstance(one, float):
            if not isfinite(one):
                return True
        elif isinstance(one, dict):
            left.extend(one.values())
        elif isinstance(one, _SEQUENCES):
            left.extend(one)
    return False


def _error(error: BaseException) -> dict[str, Any]:
    return {"type": _type(error), "message": _text(error)}


def _type(error: BaseException) -> str:
    try:
        # A metaclass may say anything.
        return sanitize.text(type(error).__name__, _MAX_TYPE)
    except BaseException:  # noqa: BLE001 an exception's own code may do anything
        return "Exception"


def _text(error: BaseException) -> str:
    try:
        return sanitize.text(str(error), _MAX_MESSAGE)
    except BaseException:  # noqa: BLE001 an exception's own code may do anything
        return "(its message cannot be read)"
