"""Values of a task's own code made fit to be stored: what JSON or Postgres cannot take is shown escaped, or left out.

Postgres keeps no NUL in a text and no NaN in JSON, and UTF-8 has no half of a surrogate pair.
"""

import operator
import re
from math import isfinite
from typing import Any, Final

# What a conversion of a value to a number or to a text raises. Not every Exception: a limit that interrupts the code
# in this very moment must reach it.
UNREADABLE: Final = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RuntimeError)
# An escape counts when an even number of backslashes precedes it. Within JSON they occur in strings only.
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def number(value: Any) -> int | float | None:
    """Return a number as 64 bits hold it, an integer or a float; None for what is no number, NaN or infinite."""
    # numpy's, Decimal, Fraction and tensors of one element are not known here: they are asked what they can do.
    for convert in (_whole, float):
        try:
            found: int | float = convert(value)
        except UNREADABLE:
            continue
        return found if isfinite(found) else None
    return None


def _whole(value: Any) -> int | float:
    whole = operator.index(value)
    return whole if -(2**63) <= whole < 2**63 else float(whole)


def text(value: str, max_length: int) -> str:
    """Return a text with NUL and half surrogates shown escaped, cut at ``max_length`` characters."""
    # A subclass has methods of its own, which are not asked.
    told = str.__str__(value)[:max_length]
    return told.encode(errors="backslashreplace").decode().replace("\0", "\\0")[:max_length]


def holds_nul(text: str) -> bool:
    """Tell whether a string in a JSON text has the character U+0000; a backslash that is escaped begins no escape."""
    return "\\u0000" in text and _ESCAPED_NUL.search(text) is not None
