"""Tasks, from their submit to their end. A module with task types imports ``task`` and the other names from here."""

from app.tasks.definition.context import SoftTimeLimitExceeded, TaskCancelled, TaskContext
from app.tasks.definition.control import TaskFailure, TaskRetry, TaskSnooze
from app.tasks.definition.types import task

__all__ = [
    "SoftTimeLimitExceeded",
    "TaskCancelled",
    "TaskContext",
    "TaskFailure",
    "TaskRetry",
    "TaskSnooze",
    "task",
]
