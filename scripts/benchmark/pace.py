"""Load at an even rate, whatever became of what was sent before: that of many clients who know nothing of another."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from scripts.benchmark import answers
from scripts.benchmark.answers import Seen
from scripts.benchmark.connection import Connection
from scripts.benchmark.target import Target, accepted_of

_BATCH = 10


async def even(target: Target, connections: list[Connection], *, count: int, rate: float) -> Seen:
    """Submit so many at a rate, and wait for no result; latencies are until the 202."""

    async def submit(connection: Connection, number: int) -> None:
        await answers.accepted(connection, target.submit_request(number))

    return {"count": count, **answers.latencies(await paced(connections, submit, count=count, rate=rate))}


async def mixed(
    target: Target,
    connections: list[Connection],
    *,
    count: int,
    rate: float,
    tasks: Sequence[tuple[str, float | None]],
) -> Seen:
    """Do so many operations at a rate, each kind in turn: every task type until its result, a batch, a list.

    ``tasks`` are their names, and the milliseconds that their payloads ask for.
    """
    targets = [replace(target, task=task, milliseconds=milliseconds) for task, milliseconds in tasks]
    submitted = 0

    async def operate(connection: Connection, number: int) -> None:
        nonlocal submitted
        kind = number % (len(targets) + 2)
        if kind < len(targets):
            await answers.of_one(targets[kind], connection, number, 0.0)
            submitted += 1
        elif kind == len(targets):
            body = await answers.accepted(connection, target.batch_request(_BATCH, number))
            submitted += accepted_of(body)
        else:
            await _list(target, connection, number)

    seconds = await paced(connections, operate, count=count, rate=rate)
    return {"operations": count, "count": submitted, **answers.latencies(seconds)}


async def _list(target: Target, connection: Connection, number: int) -> None:
    status, body = await connection.ask(target.get_request("/api/tasks?limit=20", number))
    answers.check(status == b"200", f"a list was answered {status.decode()}: {body[:300]!r}")


async def paced(
    connections: Sequence[Connection],
    act: Callable[[Connection, int], Awaitable[None]],
    *,
    count: int,
    rate: float,
) -> list[float]:
    """Act so many times, each on a free connection; return the seconds from when each was due until its end.

    An act that has to wait for a connection is late, and its latency says so.
    """
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    began, latencies = time.perf_counter(), list[float]()

    async def act_and_free(connection: Connection, number: int) -> None:
        await act(connection, number)
        latencies.append(time.perf_counter() - began - number / rate)
        free.put_nowait(connection)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(began + number / rate - time.perf_counter())
                group.create_task(act_and_free(await free.get(), number))
    except ExceptionGroup as failures:
        # The first says why: the others were cancelled, or failed of the same.
        raise failures.exceptions[0] from None
    return latencies
