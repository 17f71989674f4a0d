"""Make values from a task's code storable: parts that JSON or Postgres cannot store are escaped or left out.

Postgres stores no NUL in a text and no NaN in JSON, and UTF-8 cannot encode half of a surrogate pair.
"""

import operator
import re
from math import isfinite
from typing import Any, Final

# Errors that the conversion of a value to a number or a text may raise. Not every Exception: a time limit may interrupt
# the code at this very moment, and that error must reach the code.
UNREADABLE: Final = (TypeError, ValueError, ArithmeticError, AttributeError, LookupError, RuntimeError)
# An escape counts only after an even number of backslashes. In JSON, backslashes occur only in strings.
_ESCAPED_NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def number(value: Any) -> int | float | None:
    """Return a value as a 64-bit integer or a float; None if it is not a number, or NaN or infinite."""
    # Conversions, not checks of the type: values may be of numpy, Decimal, Fraction, or tensors of one element.
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
    """Return a text with NUL and half surrogates escaped, cut at ``max_length`` characters."""
    # A subclass of str may have its own methods, so those of str itself are called.
    told = str.__str__(value)[:max_length]
    return told.encode(errors="backslashreplace").decode().replace("\0", "\\0")[:max_length]


def holds_nul(text: str) -> bool:
    """Return whether a string in a JSON text contains the character U+0000, which JSON writes as an escape."""
    return "\\u0000" in text and _ESCAPED_NUL.search(text) is not None
