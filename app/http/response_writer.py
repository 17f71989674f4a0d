"""A connection on which the head of a response leaves with its body, in one packet and one call of the system.

uvicorn writes both as they come, and its loop sends each at once: two calls, two packets, and two readings for
the client.
"""

import asyncio
from typing import Any, Final

# Of a response whose body has an end that is known: that is never long in coming.
_KNOWN_LENGTH: Final = b"\r\ncontent-length: "


class Writer:
    """Stands for a transport."""

    def __init__(self, transport: asyncio.Transport) -> None:
        """Nothing is held."""
        self._transport = transport
        self._held = b""
        self._is_head = True
        # What is asked in each request.
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send, but hold a head whose body follows."""
        if self._held:
            held, self._held = self._held, b""
            self._transport.writelines((held, data))
        elif self._is_head and _KNOWN_LENGTH in data:
            self._held, self._is_head = data, False
        else:
            self._transport.write(data)

    def end(self) -> None:
        """Send what is held: it has no body. The next response may begin."""
        self._is_head = True
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    def close(self) -> None:
        """Send what is held, then close."""
        self.end()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        """Leave the rest to the transport."""
        return getattr(self._transport, name)
