"""The load generator: a process of its own, which reads what to do from stdin and writes what it saw to stdout."""

import asyncio
import gc
import itertools
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

import uvloop

from scripts.benchmark import answers, pace
from scripts.benchmark.answers import Seen
from scripts.benchmark.connection import Connection
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.flood import Flood
from scripts.benchmark.target import Target, accepted_of, task_id_of, value_of


async def submit(target: Target, connections: list[Connection], *, seconds: float) -> Seen:
    """Submit for some seconds, as fast as the connections allow; many tenants in turn."""
    requests = itertools.cycle([target.submit_request(number) for number in range(len(target.keys) or 1)])
    deadline = time.perf_counter() + seconds
    flood = Flood(connections, lambda: next(requests) if time.perf_counter() < deadline else None)
    return {"count": len(await flood.run()), "rate": flood.rate, **answers.latencies(flood.latencies)}


async def batch(target: Target, connections: list[Connection], *, seconds: float, size: int) -> Seen:
    """Submit batches for some seconds; what is counted, also for a second, are their tasks."""
    request = target.batch_request(size)
    deadline = time.perf_counter() + seconds
    return await _batches(connections, lambda: request if time.perf_counter() < deadline else None, size)


async def fill(target: Target, connections: list[Connection], *, count: int, size: int) -> Seen:
    """Submit so many tasks in batches, as fast as the connections allow."""
    requests = iter([target.batch_request(size)] * (count // size))
    return await _batches(connections, lambda: next(requests, None), size)


async def _batches(connections: list[Connection], next_request: Callable[[], bytes | None], size: int) -> Seen:
    flood = Flood(connections, next_request)
    accepted = sum(map(accepted_of, await flood.run()))
    answers.check(
        accepted == size * len(flood.latencies), "a batch was answered without an outcome for each of its tasks"
    )
    return {"count": accepted, "rate": size * flood.rate, **answers.latencies(flood.latencies)}


async def one_by_one(target: Target, connections: list[Connection], *, count: int, pause_seconds: float) -> Seen:
    """Submit a task, wait for its result, and so on."""
    latencies = []
    for number in range(count):
        began = time.perf_counter()
        body = await answers.of_one(target, connections[0], number, pause_seconds)
        latencies.append(time.perf_counter() - began)
        answers.check(value_of(body) == number, f"task {number} answered {body[:200]!r}")
    return {"count": count, **answers.latencies(latencies)}


async def end_to_end(target: Target, connections: list[Connection], *, count: int) -> Seen:
    """Submit many tasks one by one, then read every result; what came back is checked afterwards."""
    requests = iter([target.submit_request(number) for number in range(count)])
    began = time.perf_counter()
    task_ids = [task_id_of(body) for body in await Flood(connections, lambda: next(requests, None)).run()]
    submitted = time.perf_counter()
    bodies = await answers.results(target, connections, task_ids)
    ended = time.perf_counter()
    answers.check(len(set(task_ids)) == count, "two tasks have one id")
    values = sorted(str(value_of(body)) for body in bodies)
    answers.check(values == sorted(map(str, range(count))), "not every task came back with its own value")
    return {
        "count": count,
        "rate": count / (ended - began),
        "submit_seconds": submitted - began,
        "seconds": ended - began,
    }


_ACTIONS: dict[str, Callable[..., Awaitable[Seen]]] = {
    "submit": submit,
    "batch": batch,
    "one_by_one": one_by_one,
    "end_to_end": end_to_end,
    "fill": fill,
    "even": pace.even,
    "mixed": pace.mixed,
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


def order(target: Target, action: str, connections: int, *, limit_seconds: float, **options: object) -> str:
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
