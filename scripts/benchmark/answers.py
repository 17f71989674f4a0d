"""What the load generator's actions have in common: asking for results, and what they say in the end."""

import asyncio
from typing import TypeAlias

from scripts.benchmark import percentiles
from scripts.benchmark.connection import Connection
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.target import Target, has_ended, task_id_of

Seen: TypeAlias = dict[str, float]
"""Figures by name; ``count`` is of accepted tasks."""


async def accepted(connection: Connection, request: bytes) -> bytes:
    """Submit, and return the body of the 202; raises ``BenchmarkError`` for another answer."""
    status, body = await connection.ask(request)
    check(status == b"202", f"a submit was answered {status.decode()}: {body[:300]!r}")
    return body


async def of_one(target: Target, connection: Connection, number: int, pause_seconds: float) -> bytes:
    """Submit the task with a number, wait for its end and return its result."""
    task_id = task_id_of(await accepted(connection, target.submit_request(number)))
    return await result(target, connection, task_id, pause_seconds, number)


async def results(target: Target, connections: list[Connection], task_ids: list[str]) -> list[bytes]:
    """Return the results of the tasks with the numbers 0, 1, …, as they come."""
    left, bodies = iter(enumerate(task_ids)), []

    async def read(connection: Connection) -> None:
        # In the order of submission, one waiter a connection: what is ready is not asked for twice.
        for number, task_id in left:
            body = await result(target, connection, task_id, target.pause_seconds, number)
            bodies.append(body)

    await asyncio.gather(*map(read, connections))
    return bodies


async def result(target: Target, connection: Connection, task_id: str, pause_seconds: float, number: int = 0) -> bytes:
    """Ask until a task has ended, and return its result."""
    request = target.result_request(task_id, number)
    while True:
        status, body = await connection.ask(request)
        check(status in {b"200", b"202"}, f"a result was answered {status.decode()}: {body[:300]!r}")
        if has_ended(body):
            return body
        await asyncio.sleep(pause_seconds)


def latencies(seconds: list[float]) -> Seen:
    """Return their percentiles in ms."""
    return {f"p{percent}": percentiles.percentile(seconds, percent) * 1000 for percent in (50, 95, 99)}


def check(holds: bool, message: str) -> None:
    """Raise ``BenchmarkError`` where something does not hold."""
    if not holds:
        raise BenchmarkError(message)
