"""The filter of a task list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.tasks.status import Status


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """The conditions that a listed task must meet; None means any value."""

    statuses: Sequence[Status] | None = None
    task: str | None = None
    tag: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    finished_from: datetime | None = None
    finished_to: datetime | None = None
    metadata: Mapping[str, str] | None = None
    """One key and its value."""
    error_id: UUID | None = None
    """The error of its latest failed attempt."""
