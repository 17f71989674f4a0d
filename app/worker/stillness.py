"""Which children of the pool have a loop of their own that stands still: they neither claim nor write an end (pure)."""

from typing import Final

from app.worker.board import Board, Child

LONGEST: Final = 10.0
"""Seconds for which a worker's own event loop may stand still."""
# This process looks four times a second. After a gap it was itself stopped, and its children perhaps as well.
_GAP: Final = 2.0


class Stillness:
    """Judges the children by their stamps on the board."""

    def __init__(self, board: Board) -> None:
        """Nothing was looked at."""
        self._board = board
        self._looked_at = self._since = 0.0

    def look(self, now: float) -> list[Child]:
        """Return the children that are to be killed; to be called several times a second.

        While a child runs a task's code, that is limited by its own time.
        """
        if now - self._looked_at > _GAP:
            self._since = now
        self._looked_at = now
        if now - self._since <= LONGEST:
            return []
        return [child for child in self._board.children() if not turns(child, now)]


def turns(child: Child, now: float) -> bool:
    """Tell whether a child's loop has turned of late, or its code runs within its time."""
    return now < child.ends_at or now - child.turned_at <= LONGEST
