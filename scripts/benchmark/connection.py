"""One keep-alive HTTP/1.1 connection of the load generator: bytes out, status and body in, nothing else parsed."""

import asyncio
from collections.abc import Callable
from typing import cast

from scripts.benchmark.errors import BenchmarkError

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length: "


class Connection(asyncio.Protocol):
    """Has one request under way at a time."""

    transport: asyncio.Transport

    def __init__(self, lost: asyncio.Future[None]) -> None:
        """``lost`` fails when the connection does, or an answer is none."""
        self.on_answer: Callable[[bytes, bytes], None] = lambda _status, _body: None
        self._lost = lost
        self._buffer = b""
        self._is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)

    def send(self, request: bytes) -> None:
        """Send the next request."""
        self.transport.write(request)

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Send a request and wait for its status and body."""
        answer: asyncio.Future[tuple[bytes, bytes]] = asyncio.get_running_loop().create_future()
        self.on_answer = lambda status, body: answer.set_result((status, body))
        self.send(request)
        return await answer

    def data_received(self, data: bytes) -> None:
        """Hand over an answer once it is whole."""
        self._buffer = buffer = self._buffer + data if self._buffer else data
        head = buffer.find(_END)
        if head < 0:
            return
        start, length = head + len(_END), _length(buffer[: head + 2])
        if length is None:
            self._fail(f"an answer without a length: {buffer[:200]!r}")
        elif len(buffer) >= start + length:
            self._buffer = b""
            self.on_answer(buffer[9:12], buffer[start : start + length])

    def connection_lost(self, error: Exception | None) -> None:
        """Fail, unless it was us who closed."""
        if not self._is_closing:
            self._fail(f"the server closed a connection ({error})")

    def close(self) -> None:
        """Close."""
        self._is_closing = True
        self.transport.close()

    def _fail(self, message: str) -> None:
        if not self._lost.done():
            self._lost.set_exception(BenchmarkError(message))


def _length(head: bytes) -> int | None:
    at = head.find(_LENGTH)
    return None if at < 0 else int(head[at + len(_LENGTH) : head.find(b"\r", at + 2)])
