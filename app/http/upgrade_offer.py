"""Ignore the offer of another protocol (``Upgrade: h2c``, websockets) in a request, as RFC 9110 (7.8) allows.

The parser treats the bytes after such a head as the other protocol: a body would be lost, or read as the next request.
Therefore a new parser receives the head without the offer, and then the body.
"""

from collections.abc import Iterable
from typing import Final

_OFFER: Final = frozenset({b"upgrade", b"http2-settings"})


def without_offer(method: bytes, url: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request without its offer, as bytes. The names of ``headers`` must be in lower case."""
    lines = [b"%s %s HTTP/%s" % (method, url, version.encode())]
    for name, value in headers:
        # Connection names the headers of the offer. If it named nothing else, it is left out too.
        kept = _remaining_options(value) if name == b"connection" else value
        if name not in _OFFER and (kept or name != b"connection"):
            lines.append(b"%s: %s" % (name, kept))
    return b"\r\n".join([*lines, b"", b""])


def _remaining_options(connection: bytes) -> bytes:
    options = (option.strip() for option in connection.split(b","))
    return b", ".join(option for option in options if option.lower() not in _OFFER)
