"""Find children of the pool whose own loop is blocked: they neither claim nor write an end (pure)."""

from typing import Final

from app.worker.prefork.shared_attempts import Child, SharedAttempts
from app.worker.runtime import MAX_STALL_SECONDS

# This process looks four times a second. A gap means that it was stopped itself, and perhaps its children too.
_GAP: Final = 2.0


class StallDetector:
    """Finds stalled children by their timestamps in the shared memory."""

    def __init__(self, shared_attempts: SharedAttempts) -> None:
        """Begin without an earlier look."""
        self._shared_attempts = shared_attempts
        self._looked_at = self._since = 0.0

    def look(self, now: float) -> list[Child]:
        """Return the stalled children, which should be killed. Call it several times a second.

        A child that runs a task's code does not count as stalled before the time limit of that code.
        """
        if now - self._looked_at > _GAP:
            self._since = now
        self._looked_at = now
        if now - self._since <= MAX_STALL_SECONDS:
            return []
        return [child for child in self._shared_attempts.children() if not is_responsive(child, now)]


def is_responsive(child: Child, now: float) -> bool:
    """Return whether a child's loop ran recently, or its code runs within its time limit."""
    return now < child.ends_at or now - child.alive_at <= MAX_STALL_SECONDS
