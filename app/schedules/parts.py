"""The parts of the API process that the calls about schedules use."""

from dataclasses import dataclass

from app.tasks.parts import TaskParts


@dataclass(frozen=True, kw_only=True)
class ScheduleParts(TaskParts):
    """The parts that the handlers of the calls about schedules use."""
