"""Open streams of the feed: a process of its own, which reads from stdin what to open, until it is ended.

It writes a line when all are open, and one for each event that a stream has received: the milliseconds since the
event was made.
"""

import asyncio
import json
import sys
import time
from datetime import datetime

_AT_ONCE = 50


async def _follow(port: int, key: str, may_open: asyncio.Semaphore, is_open: asyncio.Event) -> None:
    async with may_open:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        first = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
        writer.write(f"{first}X-API-Key: {key}\r\nAccept: text/event-stream\r\n\r\n".encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in answer.partition(b"\r\n")[0]:
            raise ConnectionError(f"a stream was answered {answer[:300]!r}")
        is_open.set()
    async for line in reader:
        if line.startswith(b"data: {"):
            made = datetime.fromisoformat(json.loads(line[len(b"data: ") :])["created_at"])
            print(f"{1000 * (time.time() - made.timestamp()):.2f}", flush=True)
    raise ConnectionError("a stream has ended")


async def _run(port: int, key: str, count: int) -> None:
    may_open, opened = asyncio.Semaphore(_AT_ONCE), [asyncio.Event() for _ in range(count)]
    async with asyncio.TaskGroup() as streams:
        for is_open in opened:
            streams.create_task(_follow(port, key, may_open, is_open))
        for is_open in opened:
            await is_open.wait()
        print("open", flush=True)


def main() -> int:
    """Follow until the process is ended; a stream that ends earlier is an error."""
    asyncio.run(_run(**json.load(sys.stdin)))
    return 1


if __name__ == "__main__":
    sys.exit(main())
