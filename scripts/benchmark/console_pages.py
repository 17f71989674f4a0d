"""Open pages of the console, as ``app/console/assets/console.js`` keeps them: a process of its own, until it is ended.

It reads from stdin where the pages are. Each page of a session has its stream, and asks for itself again.
"""

import asyncio
import json
import random
import sys
from dataclasses import dataclass, field

_SHORTEST = 0.4
_NEAR = 0.08


@dataclass
class _Tab:
    """A page that is open in a browser of its own."""

    port: int
    path: str
    cookie: str
    interval: float
    gap: float = _SHORTEST
    etag: str = ""
    event: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        # People open their pages one after the other.
        await asyncio.sleep(random.uniform(0, self.interval))  # noqa: S311 no secret
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._refresh())

    async def _listen(self) -> None:
        reader, writer = await self._ask("/live?tasks=", "Accept: text/event-stream\r\n")
        async for line in reader:
            if line.startswith(b"data:"):
                self.event.set()
        writer.close()
        raise ConnectionError(f"the stream of {self.path} has ended")

    async def _refresh(self) -> None:
        connection = None
        clock, last = asyncio.get_running_loop().time, 0.0
        while True:
            try:
                async with asyncio.timeout(max(self.interval, self.gap)):
                    await self.event.wait()
                await asyncio.sleep(
                    max(_NEAR, self.gap - (clock() - last)) + random.random() * (self.gap - _SHORTEST) / 4  # noqa: S311
                )
            except TimeoutError:
                pass
            self.event.clear()
            last = clock()
            # Only now: the server closes a connection on which nothing comes.
            reader, writer = connection = connection or await asyncio.open_connection("127.0.0.1", self.port)
            writer.write(self._request(self.path, f"X-Console-Live: 1\r\nIf-None-Match: {self.etag}\r\n"))
            await self._read(reader)
            print("refresh", flush=True)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if status.split()[1] not in {"200", "304", "429", "503"}:
            raise ConnectionError(f"{self.path} was answered {status}")
        await reader.readexactly(int(headers.get("content-length", "0")))
        # A page that was refused stays as it is, and asks again later.
        self.etag, self.gap = headers.get("etag", self.etag), float(headers.get("x-console-gap", self.gap))

    async def _ask(self, path: str, headers: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self._request(path, headers))
        await reader.readuntil(b"\r\n\r\n")
        return reader, writer

    def _request(self, path: str, headers: str) -> bytes:
        line = f"GET /console{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: console={self.cookie}\r\n"
        return f"{line}{headers}\r\n".encode()


async def _run(port: int, paths: list[list[str]], cookies: list[str]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for number, cookie in enumerate(cookies):
            path, interval = paths[number % len(paths)]
            tasks.create_task(_Tab(port, path, cookie, float(interval)).run())


def main() -> int:
    """Keep the pages open until the process is ended."""
    asked = json.load(sys.stdin)
    asyncio.run(_run(**asked))
    return 1


if __name__ == "__main__":
    sys.exit(main())
