"""Timestamps in requests: only the date-time format of RFC 3339 is accepted."""

import re
from datetime import datetime
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


Timestamp: TypeAlias = Annotated[datetime, BeforeValidator(parse)]
"""A time with a UTC offset, in a body or a parameter."""
