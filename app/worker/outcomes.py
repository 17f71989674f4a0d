"""How an attempt ended, made fit to be stored before anything is written (pure)."""

import json
from typing import Any, Final, Protocol

from app.core import backoff
from app.tasks.attempts import Outcome
from app.tasks.types import TaskType

_MAX_MESSAGE: Final = 2_000


class UnusableResult(ValueError):  # noqa: N818 tenants read it as the error's type
    """What the function returned cannot be stored; the message says why."""


class TimeLimitExceeded(Exception):  # noqa: N818 Celery's name
    """The attempt ran beyond its hard limit, and was ended by force."""


class TaskCrashed(RuntimeError):  # noqa: N818 tenants read it as the error's type
    """The code did what ends a process (MemoryError, SystemExit, a signal, …); the message says which."""


class Attempted(Protocol):
    """How often a task was tried."""

    @property
    def failed_attempts(self) -> int:
        """Those before this one that count."""

    @property
    def max_attempts(self) -> int:
        """How many may fail."""


def success(task_type: TaskType, returned: Any, max_bytes: int) -> Outcome:
    """Return the outcome of a function that returned; a result that cannot be stored is a failure for good.

    ``max_bytes`` of JSON are what the tenant's plan keeps.
    """
    try:
        return Outcome("SUCCESS", "SUCCESS", result=_storable(task_type, returned, max_bytes))
    except Exception as error:  # noqa: BLE001 the result's own code runs here too
        reason = error if isinstance(error, UnusableResult) else UnusableResult(f"not JSON: {_text(error)}")
        return Outcome("FAILURE", "FAILURE", error=_error(reason))


def failure(task_type: TaskType, attempt: Attempted, error: BaseException) -> Outcome:
    """Return the outcome of a function that raised: another attempt, or the end."""
    failures = attempt.failed_attempts + 1
    may_retry = isinstance(error, task_type.autoretry_for) and failures < attempt.max_attempts
    if not may_retry:
        return Outcome("FAILURE", "FAILURE", error=_error(error))
    delay = backoff.delay(
        failures,
        factor=task_type.retry_backoff,
        maximum=task_type.retry_backoff_max,
        jitter=task_type.retry_jitter,
    )
    return Outcome("RETRY", "FAILURE", error=_error(error), delay_seconds=delay)


def returned(delay_seconds: float) -> Outcome:
    """Return the outcome of an attempt that this worker could not begin: it waits again, and nothing is counted."""
    return Outcome("PENDING", "RETURNED", delay_seconds=delay_seconds)


def _storable(task_type: TaskType, returned: Any, max_bytes: int) -> Any:
    value = task_type.result.dump_python(task_type.result.validate_python(returned), mode="json")
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    # jsonb takes neither; encoding finds a lone surrogate.
    size = len(text.encode())
    if "\\u0000" in text:
        message = "it holds a NUL character"
        raise UnusableResult(message)
    if size > max_bytes:
        message = f"{size} bytes of JSON, over the plan's {max_bytes}: store it elsewhere and return a reference"
        raise UnusableResult(message)
    return value


def _error(error: BaseException) -> dict[str, Any]:
    return {"type": type(error).__name__, "message": _text(error)}


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 an exception's own code may fail
        text = "(its message cannot be read)"
    # What jsonb does not take is shown instead of kept.
    return text[:_MAX_MESSAGE].encode(errors="backslashreplace").decode().replace("\0", "\\0")
