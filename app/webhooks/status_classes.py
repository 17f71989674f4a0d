"""Classes of answers, by which attempts are counted (pure)."""

from typing import Final

_DIGITS: Final = range(2, 5)


def of(response_status: int | None) -> str:
    """Return the class of an answer: its first digit and ``xx``, or ``none``. A status that does not exist is 5xx."""
    if response_status is None:
        return "none"
    first_digit = response_status // 100
    return f"{first_digit if first_digit in _DIGITS else 5}xx"
