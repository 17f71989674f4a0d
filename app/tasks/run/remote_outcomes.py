"""Turn what a tenant's own worker reports into an outcome that can be stored (pure)."""

import json
from typing import Any, Final, NamedTuple

from app.core import backoff, sanitize
from app.tasks.definition.own_types import OwnType, RetryPolicy
from app.tasks.run import outcomes
from app.tasks.run.attempts import Outcome

MAX_TYPE: Final = 128
"""Characters of the type of an error."""
MAX_MESSAGE: Final = 2_000
"""Characters of the message of an error."""
_DEFAULT: Final = RetryPolicy()
_compact: Final = json.JSONEncoder(allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode


class Reported(NamedTuple):
    """An error that a worker reports."""

    type: str
    message: str
    retry: bool = True
    """False ends the task at once."""
    after_seconds: float | None = None
    """Seconds until the next attempt; None takes the back-off of the task type."""


def result(own: OwnType | None, value: Any, max_bytes: int) -> Outcome:
    """Return the outcome of an attempt with a result, a parsed JSON value.

    A result that is too large or does not fit the schema ends the task with FAILURE, as in the service's own workers.
    ``own`` is None if the type was deleted.
    """
    text = _compact(value)
    size = len(text.encode())
    if size > max_bytes:
        return _unusable(
            f"{size} bytes of JSON, over the plan's {max_bytes}: store it elsewhere and return a reference"
        )
    if own is not None and own.result_schema is not None and (faults := own.result_schema.faults(value, "result")):
        return _unusable("; ".join(f"{fault['pointer']}: {fault['detail']}" for fault in faults[:5]))
    return Outcome("SUCCESS", "SUCCESS", result=text)


def failure(own: OwnType | None, attempt: outcomes.FailureCounts, error: Reported, *, is_cancelled: bool) -> Outcome:
    """Return the outcome of an attempt that has failed: another attempt, or the end.

    The error of a task whose cancel was requested is what the worker was asked for, so it ends REVOKED.
    """
    if is_cancelled:
        return outcomes.revoked()
    told = {"type": sanitize.text(error.type, MAX_TYPE), "message": sanitize.text(error.message, MAX_MESSAGE)}
    # Only failures count: attempts that were lost or returned must not use up what the task may retry.
    failures = attempt.failed_attempts + 1
    if not error.retry or failures >= attempt.max_attempts:
        return Outcome("FAILURE", "FAILURE", error=told)
    policy = _DEFAULT if own is None else own.retry
    delay = error.after_seconds
    if delay is None:
        delay = backoff.delay(
            failures, factor=policy.retry_backoff, maximum=policy.retry_backoff_max, jitter=policy.retry_jitter
        )
    return Outcome("RETRY", "FAILURE", error=told, delay_seconds=delay)


def _unusable(message: str) -> Outcome:
    return Outcome("FAILURE", "FAILURE", error={"type": "UnusableResult", "message": message[:MAX_MESSAGE]})
