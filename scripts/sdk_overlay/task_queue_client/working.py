"""A task that a worker of your own runs, as its handler sees it: the same for both clients."""

import time
from collections import deque
from typing import Any

from . import writing
from .models import LeasedTask, LeaseState

MAX_TYPE, MAX_TEXT = 128, 2_000
"""Characters that the service stores of an error's type, and of its message or of a line of a log."""
_MAX_NOTE, _MAX_FIELDS = 256, 2_048
_LINES_OF_A_CALL = 100
_DELIVERY, _FIRST_BEAT = 15.0, 3.0
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})


class TaskFailure(Exception):  # noqa: N818  # the name of what happens to the task; it is no error of this package
    """Raise it in a handler to end the task at once: it is not tried again."""

    def __init__(self, message: str, *, type: str = "TaskFailure") -> None:  # noqa: A002  # as the API names it
        """``type`` and ``message`` are those of the task's error."""
        super().__init__(message)
        self.type = type


class LeaseHeld:
    """A lease of a running task, and what its handler has reported."""

    def __init__(self, lease: str, lease_seconds: float) -> None:
        """Begin with the short lease of the delivery, which lasts until a call names it."""
        now = time.monotonic()
        self.lease = lease
        self.is_lost = False
        """Whether the service said so, or the worker has given it back."""
        self.is_cancelled = False
        self.progress: dict[str, Any] | None = None
        self.lines: deque[dict[str, Any]] = deque()
        self._seconds = lease_seconds
        self._valid_until = now + _DELIVERY
        # A task that is done before needs no heartbeat.
        self._next_beat = now + _FIRST_BEAT

    @property
    def is_over(self) -> bool:
        """Whether another worker may have the task, as far as this worker knows."""
        return self.is_lost or time.monotonic() > self._valid_until

    @property
    def is_due(self) -> bool:
        """Whether it is time for a heartbeat."""
        return not self.is_lost and time.monotonic() >= self._next_beat

    @property
    def has_reports(self) -> bool:
        """Whether the handler has reported something that was not sent."""
        return bool(self.progress or self.lines)

    def renew(self, since: float, *, is_cancelled: bool) -> None:
        """Remember that a heartbeat which began at this time has renewed it."""
        self.is_cancelled = self.is_cancelled or is_cancelled
        self._valid_until = since + self._seconds
        self._next_beat = since + self._seconds / 3

    def put_off(self, seconds: float) -> None:
        """Send the next heartbeat after a pause."""
        self._next_beat = time.monotonic() + seconds


class TaskContext:
    """What a handler knows about its task, and what it can report. All members can be used in any thread."""

    def __init__(self, leased: LeasedTask, held: LeaseHeld) -> None:
        """Made by the worker."""
        self._held = held
        self.task = leased.task
        self.task_id = leased.task_id
        self.attempt = leased.attempt
        """Number of the attempt, from 1."""
        self.idempotency_key = leased.idempotency_key
        """The same in every attempt: send it to a service that must act only once."""
        self.tags = tuple(leased.tags)

    def __repr__(self) -> str:
        """Show the task, and not its lease."""
        return f"TaskContext(task={self.task!r}, task_id={self.task_id}, attempt={self.attempt})"

    @property
    def cancel_requested(self) -> bool:
        """Whether somebody has cancelled the task: stop, and raise an exception."""
        return self._held.is_cancelled

    @property
    def lease_lost(self) -> bool:
        """Whether another worker may have the task: stop, because the result does not count any more."""
        return self._held.is_over

    def progress(self, done: float, total: float | None = None, note: str | None = None) -> None:
        """Report the progress; the next heartbeat sends it."""
        reported: dict[str, Any] = {"done": done, "total": total, "note": note and note[:_MAX_NOTE]}
        writing.body(reported)
        self._held.progress = reported

    def log(self, message: str, *, level: str = "INFO", **fields: Any) -> None:
        """Add a line to the log of the task; the next heartbeat sends it."""
        if level not in _LEVELS:
            raise ValueError(f"{level!r} is no level: take one of {', '.join(sorted(_LEVELS))}")
        line = {"level": level, "message": message[:MAX_TEXT], "fields": fields or None}
        # What JSON cannot say must fail here, and not in the heartbeat of all tasks.
        if len(writing.body(fields)) > _MAX_FIELDS:
            raise ValueError(f"the fields of a line have at most {_MAX_FIELDS} bytes of JSON")
        writing.body(line)
        self._held.lines.append(line)


class Beat:
    """A heartbeat for one lease: it takes what the handler has reported, and gives it back if the call fails."""

    def __init__(self, held: LeaseHeld) -> None:
        """Take the progress and up to 100 lines."""
        self._held = held
        self._progress, held.progress = held.progress, None
        self._lines = [held.lines.popleft() for _ in range(min(len(held.lines), _LINES_OF_A_CALL))]
        self._began = time.monotonic()

    @property
    def body(self) -> dict[str, Any]:
        """The part of the request."""
        return {"lease": self._held.lease, "progress": self._progress, "logs": self._lines or None}

    def answered(self, state: LeaseState) -> None:
        """Take the answer of the service."""
        if state.outcome == "lease_lost":
            self._held.is_lost = True
        else:
            self._held.renew(self._began, is_cancelled=state.cancel_requested)

    def failed(self, pause: float) -> None:
        """Give back what was not sent; the next heartbeat is due after a pause."""
        self._held.progress = self._held.progress or self._progress
        self._held.lines.extendleft(reversed(self._lines))
        self._held.put_off(pause)


def error_end(error: BaseException) -> dict[str, Any]:
    """Return the end of an attempt whose handler raised an exception."""
    kind = error.type if isinstance(error, TaskFailure) else type(error).__name__
    told = {"type": _clean(kind)[:MAX_TYPE] or "Error", "message": _clean(str(error))[:MAX_TEXT]}
    return {"error": told, "retry": False} if isinstance(error, TaskFailure) else {"error": told}


def refused_end(error: Exception) -> dict[str, Any]:
    """Return the end of an attempt whose result the service refuses as a request."""
    return {"error": {"type": "UnusableResult", "message": _clean(str(error))[:MAX_TEXT]}, "retry": False}


def _clean(text: str) -> str:
    # Half of a surrogate pair cannot be sent.
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")
