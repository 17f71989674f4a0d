"""Read the header Retry-After (pure)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_SECONDS: Final = 86_400.0
_DIGITS: Final = 9


def read(header: str | None, now: datetime) -> float:
    """Return the seconds that a Retry-After header (seconds, or a date) asks for: 0 to 24 h, 0 for any other text."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # The length first: a number of thousands of digits takes long to read.
        return MAX_SECONDS if len(text) > _DIGITS else min(float(text), MAX_SECONDS)
    try:
        date = parsedate_to_datetime(text)
        seconds = (date.replace(tzinfo=date.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):
        return 0.0
    return min(max(seconds, 0.0), MAX_SECONDS)
