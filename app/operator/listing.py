"""Cut a list of rows into pages, by the key of the last row that was shown (pure)."""

from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

Row = TypeVar("Row")


class CutList(NamedTuple, Generic[Row]):
    """The rows of one page."""

    rows: Sequence[Row]
    next_after: str | None
    """Key of the last row, if there are more."""


def cut(rows: Sequence[Row], key: Callable[[Row], str], after: str, size: int) -> CutList[Row]:
    """Return the page behind the row with a key. A key that is not there any more begins at the first page."""
    start = next((place + 1 for place, row in enumerate(rows) if key(row) == after), 0) if after else 0
    return first(rows[start : start + size + 1], key, size)


def first(rows: Sequence[Row], key: Callable[[Row], str], size: int) -> CutList[Row]:
    """Return the page of rows that were read for it, of which one more than ``size`` says that there is a next page."""
    shown = rows[:size]
    return CutList(shown, key(shown[-1]) if len(rows) > size else None)


def counted(number: int, most: int) -> str:
    """Return a number that was counted up to one more than ``most``."""
    return f"{most:,}+" if number > most else f"{number:,}"
