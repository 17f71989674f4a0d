"""The header ``traceparent`` (W3C Trace Context): what is not understood is ignored, and never refuses a request."""

import re
from collections.abc import Sequence
from typing import Final

# The fields of version 00. A later version may have more of them behind, each after a dash (W3C, "Versioning").
_TRACEPARENT: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_NO_VERSION: Final = "ff"
_SAMPLED: Final = 1


def read(sent: Sequence[str]) -> str | None:
    """Return the trace and its parent as version 00 writes them, or None where the trace begins here.

    ``sent`` is each value of the header. More than one means that nobody knows which trace it is.
    """
    found = _TRACEPARENT.fullmatch(sent[0].strip(" \t")) if len(sent) == 1 else None
    if found is None:
        return None
    version, trace, parent, flags, more = found.groups()
    if version == _NO_VERSION or not trace.strip("0") or not parent.strip("0") or (version == "00" and more):
        return None
    if version != "00":
        # Of a version that we do not know, this flag alone has a meaning for us.
        flags = f"{int(flags, 16) & _SAMPLED:02x}"
    return f"00-{trace}-{parent}-{flags}"
