"""Sends one flood, or asks for a status at an even rate beside one: each is a process of its own."""

import asyncio
import gc
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import uvloop

from scripts.benchmark import flood_kinds

_PROBE_CONNECTIONS = 100
_TRY_AGAIN = 0.02


class _Client:
    """A connection that is opened again whenever the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes) -> str:
        """Return the status of the answer, or ``closed`` where there is none."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(request)
            return await _status(reader)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.close()
            await asyncio.sleep(_TRY_AGAIN)
            return "closed"

    async def send(self, request: bytes) -> None:
        """Send, and take no answer."""
        _, writer = self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # asyncio's streams read what they can
        writer.write(request)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _status(reader: asyncio.StreamReader) -> str:
    head = await reader.readuntil(b"\r\n\r\n")
    _, _, after = head.lower().partition(b"\r\ncontent-length: ")
    await reader.readexactly(int(after.partition(b"\r")[0] or 0))
    return head[9:12].decode()


async def _flood(order: dict[str, Any]) -> dict[str, Any]:
    flood = next(each for each in flood_kinds.ALL if each.name == order["flood"])
    until, statuses = time.perf_counter() + order["seconds"], Counter[str]()
    clients = [_Client(order["port"]) for _ in range(flood.connections)]

    async def send(number: int, client: _Client) -> None:
        requests, sent = flood.requests(order["key"]), 0
        if not flood.reads_answers:
            await client.send(requests[0])
            return await asyncio.sleep(until - time.perf_counter())
        pause = flood.connections / flood.rate if flood.rate else 0.0
        due = time.perf_counter() + pause * number / flood.connections
        while time.perf_counter() < until:
            if pause:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                due += pause
            statuses[await client.ask(requests[sent % len(requests)])] += 1
            sent += 1
        return None

    tasks = [asyncio.create_task(send(number, client)) for number, client in enumerate(clients)]
    print("begun", flush=True)
    await asyncio.wait(tasks, timeout=order["seconds"] + 1)
    for task in tasks:
        task.cancel()
    return {"statuses": dict(statuses)}


async def _probe(order: dict[str, Any]) -> dict[str, Any]:
    """Ask every so many seconds, whatever became of the last question; a latency counts from when it was due."""
    request = flood_kinds.request("GET", order["path"], order["key"])
    idle = [_Client(order["port"]) for _ in range(_PROBE_CONNECTIONS)]
    statuses, latencies, asked = Counter[str](), list[float](), list[asyncio.Task[None]]()

    async def ask(client: _Client, due: float) -> None:
        statuses[await client.ask(request)] += 1
        latencies.append(time.perf_counter() - due)
        idle.append(client)

    # A connection is opened once, before anything is timed.
    await asyncio.gather(*(client.ask(request) for client in idle[-4:]))
    began = time.perf_counter()
    for number in range(int(order["seconds"] / order["every"])):
        due = began + number * order["every"]
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if idle:
            asked.append(asyncio.create_task(ask(idle.pop(), due)))
        else:
            statuses["not asked"] += 1
    if asked:
        await asyncio.wait(asked, timeout=10)
    return {"statuses": dict(statuses), "latencies": latencies}


def main(arguments: Sequence[str]) -> int:
    """Do what the order on stdin says; the answer is the last line on stdout."""
    order = json.load(sys.stdin)
    gc.disable()
    act = {"flood": _flood, "probe": _probe}[arguments[0]]
    print(json.dumps(uvloop.run(act(order))))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
