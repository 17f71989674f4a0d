"""Find children of the pool whose event loop is blocked: they can neither claim nor write an end (pure)."""

from typing import Final

from app.worker.prefork.shared_attempts import Child, SharedAttempts
from app.worker.runtime import MAX_STALL_SECONDS

# Seconds. The supervisor looks four times a second. A longer gap means that it was stopped itself, and perhaps its
# children too: then their old timestamps prove nothing.
_GAP: Final = 2.0


class StallDetector:
    """Finds stalled children by the timestamps that they write to the shared memory."""

    def __init__(self, shared_attempts: SharedAttempts) -> None:
        """Begin without an earlier look."""
        self._shared_attempts = shared_attempts
        self._looked_at = self._since = 0.0

    def look(self, now: float) -> list[Child]:
        """Return the stalled children, which should be killed. ``now`` is monotonic; call it several times a second.

        A child that runs a task's code does not count as stalled before the time limit of that code has passed.
        """
        if now - self._looked_at > _GAP:
            self._since = now
        self._looked_at = now
        if now - self._since <= MAX_STALL_SECONDS:
            return []
        return [child for child in self._shared_attempts.children() if not is_responsive(child, now)]


def is_responsive(child: Child, now: float) -> bool:
    """Return whether a child's event loop ran in the last 10 s, or its code is within its time limit."""
    return now < child.ends_at or now - child.alive_at <= MAX_STALL_SECONDS
