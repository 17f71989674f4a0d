"""Cut a list of rows into pages, by the key of the last row that was shown (pure)."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")


class CutList(NamedTuple, Generic[Row]):
    """The rows of one page."""

    rows: Sequence[Row]
    next_after: str | None
    """Key of the last row, if there are more."""
    total: int
    """Rows of all pages."""


def cut(rows: Sequence[Row], key: Callable[[Row], str], after: str, size: int) -> CutList[Row]:
    """Return the page behind the row with a key. A key that is not there any more begins at the first page."""
    start = next((place + 1 for place, row in enumerate(rows) if key(row) == after), 0) if after else 0
    shown = rows[start : start + size]
    has_more = start + size < len(rows)
    return CutList(shown, key(shown[-1]) if has_more else None, len(rows))
