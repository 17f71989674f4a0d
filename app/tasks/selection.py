"""Many tasks of a tenant that a filter selects, and the pages in which they are visited."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.core import ids


@dataclass(frozen=True, slots=True)
class TaskSelection:
    """The conditions that a selected task must meet; None means any value.

    Together with ``asked_at`` they are a snapshot without a list of ids: a task that was created later never matches.
    """

    statuses: Sequence[str]
    asked_at: datetime
    """The database's time of the request."""
    task: str | None = None
    tag: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    task_ids: Sequence[UUID] | None = None
    error_id: UUID | None = None
    """The error of its latest failed attempt."""

    def bounds(self, after: UUID) -> tuple[UUID, UUID]:
        """Return the ids between which matching tasks lie. Those up to ``after`` have been visited."""
        latest = self.asked_at if self.created_to is None else min(self.created_to, self.asked_at)
        first, last = ids.between(self.created_from, latest)
        return max(first, after), last


@dataclass(frozen=True, slots=True)
class SelectedPage:
    """The matching tasks of one page, in the order of their ids."""

    matching: Sequence[UUID]
    read_to: UUID | None
    """The last task that was read; None if there are no more."""

    def first(self, count: int) -> "SelectedPage":
        """Return the page up to its matching task number ``count``."""
        if len(self.matching) <= count:
            return self
        return SelectedPage(self.matching[:count], self.matching[count - 1])
