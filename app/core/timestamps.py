"""Timestamps in requests: only the date-time format of RFC 3339 is accepted."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse(moment: object) -> datetime:
    """Return the time of an RFC 3339 date-time. Raises ``ValueError`` with a text that repeats none of the input.

    pydantic itself would also accept numbers, and read them as seconds or milliseconds depending on their size.
    """
    try:
        if isinstance(moment, str) and _RFC_3339.fullmatch(moment):
            # RFC 3339 allows a small t and z.
            return datetime.fromisoformat(moment.upper())
    except ValueError:
        # The format is right, but no such day or hour exists. The error below says what is accepted.
        pass
    raise ValueError("Input should be a date-time of RFC 3339 with its UTC offset, such as 2027-01-31T09:00:00Z")


# Postgres keeps the first and the last moment of a datetime as infinite ones, which come back without an offset.
_FIRST: Final = datetime(1, 1, 2, tzinfo=UTC)
_LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def parse_storable(moment: object) -> datetime:
    """Return the time of an RFC 3339 date-time that Postgres gives back as it was. Raises as ``parse`` does."""
    found = parse(moment)
    try:
        if _FIRST <= found.astimezone(UTC) <= _LAST:
            return found
    except OverflowError:
        # In UTC it has no year between 1 and 9999.
        pass
    raise ValueError("Input should be between 0001-01-02T00:00:00Z and 9999-12-31T23:59:59Z")


Timestamp: TypeAlias = Annotated[datetime, BeforeValidator(parse_storable)]
"""A time with a UTC offset, in a body or a parameter."""
