"""The load of ``scripts/bench --depth``: a process of its own, which reads from stdin what to ask."""

import asyncio
import json
import sys
from collections.abc import Iterator

import uvloop

from scripts.benchmark.connection import Connection
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.target import Target, has_ended, task_id_of

_ANSWERS = {b"200", b"202"}
_LIMIT_SECONDS = 300.0


async def _submit(target: Target, connections: list[Connection], count: int) -> list[str]:
    """Submit so many tasks; return their ids."""
    requests = [target.submit_request(number) for number in range(count)]
    return [task_id_of(body) for body in await _ask_all(connections, requests)]


async def _read(target: Target, connections: list[Connection], task_ids: list[str]) -> None:
    """Read each task by the target's path, until it has ended."""
    while task_ids:
        bodies = await _ask_all(connections, [target.result_request(task_id) for task_id in task_ids])
        # What was not ready is asked for again, so the answers need not be in the order of the questions.
        task_ids = [task_id_of(body) for body in bodies if not has_ended(body)]


async def _ask_all(connections: list[Connection], requests: list[bytes]) -> list[bytes]:
    left, bodies = iter(requests), list[bytes]()
    await asyncio.gather(*(_ask(connection, left, bodies) for connection in connections))
    return bodies


async def _ask(connection: Connection, left: Iterator[bytes], bodies: list[bytes]) -> None:
    for request in left:
        status, body = await connection.ask(request)
        if status not in _ANSWERS:
            raise BenchmarkError(f"answered {status.decode()}: {body[:300]!r}")
        bodies.append(body)


async def _act(target: Target, width: int, count: int, task_ids: list[str]) -> list[str]:
    loop = asyncio.get_running_loop()
    lost: asyncio.Future[None] = loop.create_future()
    connections = [
        (await loop.create_connection(lambda: Connection(lost), "127.0.0.1", target.port))[1] for _ in range(width)
    ]
    try:
        async with asyncio.timeout(_LIMIT_SECONDS):
            made = await _submit(target, connections, count)
            await _read(target, connections, task_ids or (made if target.result_path else []))
            return made
    finally:
        for connection in connections:
            connection.close()


def main() -> int:
    """Act; anything wrong is a line on stderr."""
    asked = json.load(sys.stdin)
    try:
        made = uvloop.run(_act(Target(**asked.pop("target")), **asked))
    except (BenchmarkError, OSError, TimeoutError, ValueError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 1
    print(json.dumps(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
