"""Tell which failures are the same error (pure): by the type and the message without what differs from case to case."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

# Characters of the normalised message that count. What comes later is often the body of an answer, or a dump.
_MAX_LENGTH: Final = 256

# A quoted name without digits stays, unless it is a value (name='x'): in "KeyError: 'price'" it tells two errors apart.
# Alternatives are tried in this order at each place, in one pass. Every repetition is bounded or ends at a character
# that it cannot contain, so that no message of 2,000 characters takes long.
_VARIABLE: Final = re.compile(
    r"""
      (?P<text> (?<!\w) (?! (?<!=) ['"`][A-Za-z_]{1,40}['"`] )
        (?: '(?:[^'\\\n]|\\.){0,500}' | "(?:[^"\\\n]|\\.){0,500}" | `[^`\n]{0,500}` ) (?!\w) )
    | (?P<url> \b [A-Za-z][A-Za-z0-9+.-]{0,15} :// [^\s'"<>]+ )
    | (?P<email> (?<![\w.+-]) [\w.+-]{1,64} @ [\w.-]{1,255} )
    | (?P<id>
        # UUIDs, addresses in memory, IPv6 addresses, hashes, words with three digits; then numbers, dates and times.
        \b [0-9A-Fa-f]{8} (?:-[0-9A-Fa-f]{4}){3} -[0-9A-Fa-f]{12} \b
        | \b 0[xX][0-9A-Fa-f]+
        | (?<![\w:]) (?=[0-9A-Fa-f:]{0,40}\d) (?:[0-9A-Fa-f]{0,4}:){2,7} [0-9A-Fa-f]{0,4} (?![\w:])
        | \b (?=[A-Fa-f]{0,64}\d) (?=\d{0,64}[A-Fa-f]) [0-9A-Fa-f]{6,128} \b
        | \b (?=\w{0,64}?\d\w{0,64}?\d\w{0,64}?\d) (?=\d{0,64}[A-Za-z_]) \w{12,128} \b
        | (?:(?<!\w)[+-])? \d [\d.,:_-]* (?:[eE][+-]?\d+)?
      )
    """,
    re.VERBOSE,
)
_SPACES: Final = re.compile(r"\s+")


def normalise(message: str) -> str:
    """Return a message with placeholders for quoted texts, URLs, addresses, ids and numbers, cut to its beginning."""
    # lastgroup: the one alternative that has matched.
    stable = _VARIABLE.sub(lambda found: f"<{found.lastgroup}>", message)
    return _SPACES.sub(" ", stable).strip()[:_MAX_LENGTH]


def fingerprint(error: Mapping[str, Any]) -> UUID:
    """Return what the failures of one error have in common; ``error`` has its ``type`` and ``message``."""
    told = f"{error['type']}\n{normalise(error['message'])}"
    return UUID(bytes=hashlib.sha256(told.encode(errors="backslashreplace")).digest()[:16])
