"""The context of an attempt: the second argument of every task function."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.core import sanitize

_MAX_NOTE: Final = 256

Progress: TypeAlias = dict[str, Any]
"""``{done, total, note}``: two numbers, and a text; each may be None."""


class SoftTimeLimitExceeded(Exception):  # noqa: N818 Celery's name
    """The attempt has used up its time; raised inside the task's function, which may clean up."""


class TaskCancelled(Exception):  # noqa: N818 named for the fact
    """Raise it when ``cancel_requested`` is true and nothing is left to clean up: the task ends REVOKED."""


@dataclass(frozen=True, slots=True)
class TaskContext:
    """The second argument of a task's function: describes the attempt, and reports progress."""

    tenant_id: UUID
    task_id: UUID
    attempt: int
    """Counts from 1."""
    deadline: datetime
    """The latest time at which the dispatcher takes the attempt away, by the database's clock."""
    report: Callable[[Progress], None]
    is_cancel_requested: Callable[[], bool]
    log: logging.LoggerAdapter[logging.Logger] = field(repr=False)

    @property
    def idempotency_key(self) -> str:
        """Return a key that is the same in every attempt: send it to a service that must act only once."""
        return str(self.task_id)

    @property
    def cancel_requested(self) -> bool:
        """Return whether the tenant has cancelled the task. If so, raise ``TaskCancelled`` or return within a second.

        The worker kills code that does neither.
        """
        return self.is_cancel_requested()

    def progress(self, done: float, total: float, note: str | None = None) -> None:
        """Report progress; never waits. Reports that come faster than they can be stored replace one another.

        It never fails because of its arguments: NaN and infinity are stored as null, and U+0000 and half surrogates
        in a note are stored escaped.
        """
        self.report({"done": sanitize.number(done), "total": sanitize.number(total), "note": _note(note)})


def _note(note: object) -> str | None:
    if note is None:
        return None
    try:
        told = note if isinstance(note, str) else str(note)
    except sanitize.UNREADABLE:
        return None
    return sanitize.text(told, _MAX_NOTE) or None
