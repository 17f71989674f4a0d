"""The types of events, and what those about a task say about it."""

from enum import StrEnum
from typing import Final


class EventType(StrEnum):
    """A type of event, as tenants see it."""

    TASK_SUCCEEDED = "task.succeeded"
    TASK_FAILED = "task.failed"
    TASK_REVOKED = "task.revoked"
    TASK_RETRYING = "task.retrying"
    ENDPOINT_FAILING = "endpoint.failing"
    ENDPOINT_DISABLED = "endpoint.disabled"
    QUOTA_REACHED = "quota.reached"
    KEY_EXPIRING = "key.expiring"
    SCHEDULE_SKIPPED = "schedule.skipped"

    @property
    def number(self) -> int:
        """Return the number that is stored (migrations/functions: event_type_name)."""
        # By the order of the class: a new type is added at its end, since stored numbers never change.
        return list(EventType).index(self) + 1

    @property
    def is_about_a_task(self) -> bool:
        """Tell whether the event is about a task."""
        return self in _STATUSES

    @property
    def task_status(self) -> str:
        """Return the status that the task got with the event. Only for an event about a task."""
        return _STATUSES[self]


_STATUSES: Final = {
    EventType.TASK_SUCCEEDED: "SUCCESS",
    EventType.TASK_FAILED: "FAILURE",
    EventType.TASK_REVOKED: "REVOKED",
    EventType.TASK_RETRYING: "RETRY",
}
