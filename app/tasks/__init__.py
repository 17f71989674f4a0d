"""A task from submit to its end; what a module of task types imports is here."""

from app.tasks.context import SoftTimeLimitExceeded, TaskCancelled, TaskContext
from app.tasks.types import task

__all__ = ["SoftTimeLimitExceeded", "TaskCancelled", "TaskContext", "task"]
