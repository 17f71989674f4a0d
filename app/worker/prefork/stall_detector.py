"""Which children of the pool have a loop of their own that stands still: they neither claim nor write an end (pure)."""

from typing import Final

from app.worker.prefork.shared_attempts import Child, SharedAttempts
from app.worker.runtime import MAX_STALL_SECONDS

# This process looks four times a second. After a gap it was itself stopped, and its children perhaps as well.
_GAP: Final = 2.0


class StallDetector:
    """Judges the children by their stamps on the shared_attempts."""

    def __init__(self, shared_attempts: SharedAttempts) -> None:
        """Nothing was looked at."""
        self._shared_attempts = shared_attempts
        self._looked_at = self._since = 0.0

    def look(self, now: float) -> list[Child]:
        """Return the children that are to be killed; to be called several times a second.

        While a child runs a task's code, that is limited by its own time.
        """
        if now - self._looked_at > _GAP:
            self._since = now
        self._looked_at = now
        if now - self._since <= MAX_STALL_SECONDS:
            return []
        return [child for child in self._shared_attempts.children() if not is_responsive(child, now)]


def is_responsive(child: Child, now: float) -> bool:
    """Tell whether a child's loop has turned of late, or its code runs within its time."""
    return now < child.ends_at or now - child.alive_at <= MAX_STALL_SECONDS
