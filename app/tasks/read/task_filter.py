"""The filter of a task list."""

from dataclasses import dataclass
from datetime import datetime

from app.tasks.status import Status


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """The conditions that a listed task must meet; None means any value."""

    status: Status | None = None
    task: str | None = None
    tag: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
