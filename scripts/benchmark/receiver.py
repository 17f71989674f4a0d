"""A receiver of webhooks that answers at once: a process of its own, which a GET asks for what came."""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import cast

import uvloop

from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.runs import Figures
from scripts.stack import http_client, parts

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: *(\S+)", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)
_NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Connection(asyncio.Protocol):
    """One connection. What it is sent is small, and each request is read whole before the answer."""

    ids: set[bytes]
    """The webhook-ids that came, of the whole process."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing read."""
        # uvloop's transports are of classes of their own.
        self._transport, self._read = cast("asyncio.Transport", transport), b""

    def data_received(self, data: bytes) -> None:
        """Answer a request once its body is there."""
        self._read += data
        head, blank, body = self._read.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not blank or (length and len(body) < int(length[1])):
            return
        self._read = b""
        self._transport.write(self._answer(head))
        if _CLOSE.search(head):
            self._transport.close()

    def _answer(self, head: bytes) -> bytes:
        if found := _ID.search(head):
            self.ids.add(found[1])
            return _NO_CONTENT
        seen = json.dumps({"count": len(self.ids), "cpu": time.process_time()}).encode()
        return b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(seen), seen)


class Receiver:
    """The process, as the benchmark sees it."""

    def __init__(self, port: int) -> None:
        """It listens on the port."""
        self.url = f"http://127.0.0.1:{port}"

    def seen(self) -> Figures:
        """Return how many events it has got, and the CPU seconds that it has used."""
        return http_client.call(self.url)[1]


@contextlib.contextmanager
def running() -> Iterator[Receiver]:
    """Run a receiver until the block ends."""
    line = [sys.executable, "-P", "-m", "scripts.benchmark.receiver"]
    with subprocess.Popen(line, cwd=parts.ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = process.stdout.readline() if process.stdout else ""
            if not port.strip():
                raise BenchmarkError("the receiver of webhooks does not start")
            yield Receiver(int(port))
        finally:
            process.terminate()


async def _serve() -> None:
    _Connection.ids = set()
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    # Its parent's end of stdin closes with the parent, however that ends.
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(_serve())
