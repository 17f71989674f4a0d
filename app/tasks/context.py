"""What the code of a task sees of its attempt."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeAlias
from uuid import UUID

from app.core import storable

_MAX_NOTE: Final = 256

Progress: TypeAlias = dict[str, Any]
"""``{done, total, note}``: two numbers, and a text; each may be None."""


class SoftTimeLimitExceeded(Exception):  # noqa: N818 Celery's name
    """The attempt has used up its time; raised inside the task's function, which may clean up."""


class TaskCancelled(Exception):  # noqa: N818 named for the fact
    """Raise it when ``cancel_requested`` is true and nothing is left to clean up: the task ends REVOKED."""


@dataclass(frozen=True, slots=True)
class TaskContext:
    """Handed to a task's function as its second argument."""

    tenant_id: UUID
    task_id: UUID
    attempt: int
    """Counts from 1."""
    deadline: datetime
    """When the attempt is taken away at the latest, by the database's clock."""
    report: Callable[[Progress], None]
    is_cancel_requested: Callable[[], bool]
    log: logging.LoggerAdapter[logging.Logger] = field(repr=False)

    @property
    def idempotency_key(self) -> str:
        """The same in every attempt: hand it to a service that must act once."""
        return str(self.task_id)

    @property
    def cancel_requested(self) -> bool:
        """Whether the tenant has asked to stop: within a second raise ``TaskCancelled``, or return what there is.

        Code that does neither is killed.
        """
        return self.is_cancel_requested()

    def progress(self, done: float, total: float, note: str | None = None) -> None:
        """Report progress; never waits. Reports that come faster than they can be stored replace one another.

        It never fails for what it is given: a number that is none (NaN, infinite) is stored as null, and of a note
        U+0000 and half surrogates are shown escaped.
        """
        self.report({"done": storable.number(done), "total": storable.number(total), "note": _note(note)})


def _note(note: object) -> str | None:
    if note is None:
        return None
    try:
        told = note if isinstance(note, str) else str(note)
    except storable.UNREADABLE:
        return None
    return storable.text(told, _MAX_NOTE) or None
