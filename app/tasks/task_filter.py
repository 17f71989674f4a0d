"""Which tasks a list holds."""

from dataclasses import dataclass
from datetime import datetime

from app.tasks.status import Status


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks a list holds; None is any."""

    status: Status | None = None
    task: str | None = None
    tag: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
