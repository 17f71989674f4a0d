"""The header ``traceparent`` (W3C Trace Context). A value that is not valid is ignored and never fails a request."""

import re
from collections.abc import Sequence
from typing import Final

# The fields of version 00. A later version may have more fields at the end, each after a dash (W3C, "Versioning").
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_VERSION: Final = "ff"
_SAMPLED: Final = 1


def trace_id(traceparent: str | None) -> str | None:
    """Return the trace id, 32 hexadecimal digits, from a value that ``read`` has returned."""
    return traceparent and traceparent[3:35]


def read(sent: Sequence[str]) -> str | None:
    """Return the trace and its parent in the format of version 00, or None if the request belongs to no known trace.

    ``sent`` has all values of the header. With more than one it is unclear which trace is meant.
    """
    found = _TRACEPARENT.fullmatch(sent[0].strip(" \t")) if len(sent) == 1 else None
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    # W3C: ids of only zeros and the version ff are invalid, and version 00 has no further fields.
    if version == _NO_VERSION or not trace.strip("0") or not parent.strip("0") or (version == "00" and more):
        return None
    if version != "00":
        # In an unknown version only this flag has a known meaning.
        flags = f"{int(flags, 16) & _SAMPLED:02x}"
    return f"00-{trace}-{parent}-{flags}"
