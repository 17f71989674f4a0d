"""Choose how many tasks a step reads: few where most of them match, many where hardly any does."""

from typing import Final

MAX_READ: Final = 4_000
"""Tasks that one step reads at most. It bounds the time of the statement."""


class PageSize:
    """The number of tasks to read next, for one operation. It only saves work, so it may be forgotten."""

    def __init__(self, acted_on: int) -> None:
        """``acted_on`` is the number of tasks on which one step acts at most."""
        self._least = acted_on
        self.next = acted_on

    def saw(self, matching: int) -> None:
        """Learn how many tasks of the last page matched."""
        if matching >= self._least // 2:
            self.next = self._least
        else:
            self.next = min(self.next * 4, MAX_READ)
