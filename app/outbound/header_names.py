"""Tell which request headers a tenant may set (pure)."""

import re
from typing import Final

_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}")
# Visible ASCII, with spaces and tabs inside: no line break can begin another header.
_VALUE: Final = re.compile(r"[!-~]([\t -~]{0,4094}[!-~])?")

# These decide where a request goes and how long it is, belong to us, or are what the metadata services of clouds ask
# for as a sign that no browser was tricked into the request.
_REFUSED: Final = frozenset(
    {
        "connection", "cookie", "expect", "host", "idempotency-key", "keep-alive", "te", "trailer", "traceparent",
        "tracestate", "transfer-encoding", "upgrade", "user-agent", "via",
    }
)  # fmt: skip
_REFUSED_PREFIXES: Final = (
    "accept-encoding", "content-", "metadata", "proxy-", "task-", "webhook-", "x-aws-ec2-", "x-google-metadata-",
    "x-metadata-",
)  # fmt: skip


def fault(name: str, value: str, *, allows_content_type: bool) -> str | None:
    """Return why a header cannot be sent; None when it can be. Neither the name nor the value is repeated."""
    lowered = name.lower()
    if not (_NAME.fullmatch(name) and _VALUE.fullmatch(value)):
        return "A header has a name of letters, digits and dashes, and a value of 1 to 4,096 visible ASCII characters."
    if allows_content_type and lowered == "content-type":
        return None
    if lowered in _REFUSED or lowered.startswith(_REFUSED_PREFIXES):
        return (
            "This header cannot be set: Host, Content-*, Transfer-Encoding, Connection, Cookie, Proxy-*, webhook-*, and"
            " those that the service sets itself or that a cloud's metadata service asks for."
        )
    return None
