"""The context of an attempt: the second argument of every task function."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.core import sanitize

# Characters. The note is stored with each report and returned with each status.
_MAX_NOTE: Final = 256

Progress: TypeAlias = dict[str, Any]
"""``{done, total, note}``: two numbers and a text. Each may be None."""


class SoftTimeLimitExceeded(Exception):  # noqa: N818 Celery's name
    """The attempt has reached its soft time limit. It is raised inside the task's function, which may clean up."""


class TaskCancelled(Exception):  # noqa: N818 named for the fact
    """Raise this when ``cancel_requested`` is true and you have cleaned up: the task ends REVOKED."""


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The second argument of a task's function. It describes the attempt, and takes reports of progress."""

    tenant_id: UUID
    task_id: UUID
    attempt: int
    """The number of the attempt, from 1."""
    deadline: datetime
    """The time after which the dispatcher takes the attempt away, by the database's clock."""
    report: Callable[[Progress], None]
    is_cancel_requested: Callable[[], bool]
    log: logging.LoggerAdapter[logging.Logger] = field(repr=False)
    traceparent: str | None = None
    """The trace to which the task belongs, in the form of W3C Trace Context: send it on with requests to others."""

    @property
    def idempotency_key(self) -> str:
        """Return a key that is the same in every attempt: send it to a service that must act only once."""
        # Of the task and not of the attempt: for the other service, each attempt must look like the first one.
        return str(self.task_id)

    @property
    def cancel_requested(self) -> bool:
        """Return whether the tenant has cancelled the task. If so, raise ``TaskCancelled`` or return within a second.

        The worker kills code that does neither.
        """
        return self.is_cancel_requested()

    def progress(self, done: float, total: float, note: str | None = None) -> None:
        """Report progress without waiting. If reports come faster than they can be stored, only the latest is stored.

        It never fails because of its arguments: NaN and infinity are stored as null, and U+0000 and half surrogates
        in a note are stored escaped.
        """
        self.report({"done": sanitize.number(done), "total": sanitize.number(total), "note": _note(note)})


def _note(note: object) -> str | None:
    if note is None:
        return None
    try:
        # The note comes from a task's own code: its ``__str__`` may raise anything, and must not end the attempt.
        text = note if isinstance(note, str) else str(note)
    except sanitize.UNREADABLE:
        return None
    return sanitize.text(text, _MAX_NOTE) or None
