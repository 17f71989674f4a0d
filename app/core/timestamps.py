"""Moments as callers write them: a date-time of RFC 3339, and nothing else."""

import re
from datetime import datetime
from typing import Annotated, Final, TypeAlias

from pydantic import BeforeValidator

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


def parse(moment: object) -> datetime:
    """Return the moment that a date-time of RFC 3339 names; raises ``ValueError``, whose text repeats nothing of it.

    pydantic by itself takes numbers and digits too, as seconds or milliseconds since 1970 by their size.
    """
    try:
        if isinstance(moment, str) and _RFC_3339.fullmatch(moment):
            return datetime.fromisoformat(moment.upper())
    except ValueError:
        # There is no such day, or no such hour.
        pass
    raise ValueError("Input should be a date-time of RFC 3339 with its UTC offset, such as 2027-01-31T09:00:00Z")


Timestamp: TypeAlias = Annotated[datetime, BeforeValidator(parse)]
"""A moment with a UTC offset, in a body or a parameter."""
