"""Send the head of a response together with its body, in one packet and one system call.

uvicorn writes the head and the body separately, and the event loop sends each at once. That costs the server a second
system call and packet, and the client a second read.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

# Only a response with a Content-Length is held back: its body follows at once.
_KNOWN_LENGTH: Final = b"\r\ncontent-length: "


def head(status: int, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a response. Raises ``RuntimeError`` for a line break, which would begin another header."""
    text = STATUS_LINE[status] + b"".join([b"%b: %b\r\n" % header for header in headers])
    lines = len(headers) + 1
    if text.count(b"\n") != lines or text.count(b"\r") != lines:
        message = "A header of the response has a line break."
        raise RuntimeError(message)
    return text + b"\r\n"


class Writer:
    """Replaces a connection's transport, and holds back the head of a response until its body is written."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """``transport`` sends the bytes."""
        self._transport = transport
        self._held = b""
        self._is_head = True
        # uvicorn asks this in each request, and ``__getattr__`` would be slower.
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send the data; a head with a Content-Length is held back until the next write."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data))
        elif self._is_head and _KNOWN_LENGTH in data:
            self._held, self._is_head = data, False
        else:
            self._transport.write(data)

    def write_whole(self, head: bytes, body: bytes) -> None:
        """Send a whole response. Nothing may be held back."""
        self._transport.writelines((head, body))

    def end(self) -> None:
        """End the response. A head that is still held back has no body, so it is sent now."""
        self._is_head = True
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Send a head that is held back, then close."""
        self.end()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Return every other attribute of the transport."""
        return getattr(self._transport, name)
