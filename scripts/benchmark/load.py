"""The load generator: a process of its own, which reads what to do from stdin and writes what it saw to stdout."""

import asyncio
import gc
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import uvloop

from scripts.benchmark import percentiles
from scripts.benchmark.connection import Connection
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.flood import Flood
from scripts.benchmark.target import Target, accepted_of, has_ended, task_id_of, value_of

Seen = dict[str, float]


async def submit(target: Target, connections: list[Connection], *, seconds: float) -> Seen:
    """Submit for some seconds, as fast as the connections allow."""
    request = target.submit_request(1)
    deadline = time.perf_counter() + seconds
    flood = Flood(connections, lambda: request if time.perf_counter() < deadline else None)
    return {"count": len(await flood.run()), "rate": flood.rate, **_latencies(flood.latencies)}


async def batch(target: Target, connections: list[Connection], *, seconds: float, size: int) -> Seen:
    """Submit batches for some seconds; what is counted, also for a second, are their tasks."""
    request = target.batch_request(size)
    deadline = time.perf_counter() + seconds
    flood = Flood(connections, lambda: request if time.perf_counter() < deadline else None)
    accepted = sum(map(accepted_of, await flood.run()))
    _check(accepted == size * len(flood.latencies), "a batch was answered without an outcome for each of its tasks")
    return {"count": accepted, "rate": size * flood.rate, **_latencies(flood.latencies)}


async def one_by_one(target: Target, connections: list[Connection], *, count: int, pause_seconds: float) -> Seen:
    """Submit a task, wait for its result, and so on."""
    latencies = []
    for number in range(count):
        began = time.perf_counter()
        _, body = await connections[0].ask(target.submit_request(number))
        body = await _result(target, connections[0], task_id_of(body), pause_seconds)
        latencies.append(time.perf_counter() - began)
        _check(value_of(body) == number, f"task {number} answered {body[:200]!r}")
    return {"count": count, **_latencies(latencies)}


async def end_to_end(target: Target, connections: list[Connection], *, count: int) -> Seen:
    """Submit many tasks one by one, then read every result; what came back is checked afterwards."""
    requests = iter([target.submit_request(number) for number in range(count)])
    began = time.perf_counter()
    task_ids = [task_id_of(body) for body in await Flood(connections, lambda: next(requests, None)).run()]
    submitted = time.perf_counter()
    bodies = await _results(target, connections, task_ids)
    ended = time.perf_counter()
    _check(len(set(task_ids)) == count, "two tasks have one id")
    values = sorted(str(value_of(body)) for body in bodies)
    _check(values == sorted(map(str, range(count))), "not every task came back with its own value")
    return {
        "count": count,
        "rate": count / (ended - began),
        "submit_seconds": submitted - began,
        "seconds": ended - began,
    }


async def _results(target: Target, connections: list[Connection], task_ids: list[str]) -> list[bytes]:
    left, bodies = iter(task_ids), []

    async def read(connection: Connection) -> None:
        # In the order of submission, one waiter a connection: what is ready is not asked for twice.
        for task_id in left:
            body = await _result(target, connection, task_id, target.pause_seconds)
            bodies.append(body)

    await asyncio.gather(*map(read, connections))
    return bodies


async def _result(target: Target, connection: Connection, task_id: str, pause_seconds: float) -> bytes:
    request = target.result_request(task_id)
    while True:
        status, body = await connection.ask(request)
        _check(status in {b"200", b"202"}, f"a result was answered {status.decode()}: {body[:300]!r}")
        if has_ended(body):
            return body
        await asyncio.sleep(pause_seconds)


def _latencies(seconds: list[float]) -> Seen:
    return {f"p{percent}": percentiles.percentile(seconds, percent) * 1000 for percent in (50, 99)}


def _check(holds: bool, message: str) -> None:
    if not holds:
        raise BenchmarkError(message)


_ACTIONS: dict[str, Callable[..., Awaitable[Seen]]] = {
    "submit": submit,
    "batch": batch,
    "one_by_one": one_by_one,
    "end_to_end": end_to_end,
}


async def _act(order: dict[str, Any]) -> Seen:
    target = Target(**order["target"])
    loop = asyncio.get_running_loop()
    lost: asyncio.Future[None] = loop.create_future()
    connections = [
        (await loop.create_connection(lambda: Connection(lost), "127.0.0.1", target.port))[1]
        for _ in range(order["connections"])
    ]
    acting = asyncio.ensure_future(_ACTIONS[order["action"]](target, connections, **order["options"]))
    lost.add_done_callback(lambda _: acting.cancel())
    began, used = time.perf_counter(), time.process_time()
    try:
        async with asyncio.timeout(order["limit_seconds"]):
            seen = await acting
        return {**seen, "own_share": (time.process_time() - used) / (time.perf_counter() - began)}
    except asyncio.CancelledError:
        # Why it was cancelled.
        await lost
        raise
    finally:
        for connection in connections:
            connection.close()


def order(target: Target, action: str, connections: int, *, limit_seconds: float, **options: float) -> str:
    """Return what the process is to be told."""
    return json.dumps(
        {
            "target": asdict(target),
            "action": action,
            "connections": connections,
            "limit_seconds": limit_seconds,
            "options": options,
        }
    )


def main() -> int:
    """Act; anything wrong is a line on stderr."""
    asked = json.load(sys.stdin)
    # A short life: a pause of ours must not look like one of the server's.
    gc.disable()
    try:
        seen = uvloop.run(_act(asked))
    except (BenchmarkError, OSError, TimeoutError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({**seen, "own_cpu": time.process_time()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
