"""Keeps connections busy: each sends its next request the moment its last answer is here. Callbacks only: cheap."""

import asyncio
import time
from collections.abc import Callable

from scripts.benchmark.connection import Connection
from scripts.benchmark.errors import BenchmarkError

_ACCEPTED = b"202"


class Flood:
    """Sends until there is no next request; every answer must be a 202."""

    def __init__(self, connections: list[Connection], next_request: Callable[[], bytes | None]) -> None:
        """``next_request`` returns None when it is enough."""
        self._connections = connections
        self._next_request = next_request
        self._busy = 0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sent = 0
        self._bodies: dict[int, bytes] = {}
        self.latencies: list[float] = []
        """Seconds, one for each answer."""
        self.rate = 0.0
        """Answers a second, from the first request to the last answer."""

    async def run(self) -> list[bytes]:
        """Return the bodies of all answers, in the order of their requests."""
        began = time.perf_counter()
        for connection in self._connections:
            self._drive(connection)
        await self._ended
        self.rate = len(self._bodies) / (time.perf_counter() - began)
        return [self._bodies[number] for number in range(self._sent)]

    def _drive(self, connection: Connection) -> None:
        sent, number = 0.0, 0

        def answered(status: bytes, body: bytes) -> None:
            if status != _ACCEPTED:
                return self._fail(f"a submit was answered {status.decode()}: {body[:300]!r}")
            self.latencies.append(time.perf_counter() - sent)
            self._bodies[number] = body
            send()
            return None

        def send() -> None:
            nonlocal sent, number
            request = self._next_request()
            if request is None:
                return self._end_one()
            number = self._sent
            self._sent += 1
            sent = time.perf_counter()
            connection.send(request)
            return None

        connection.on_answer = answered
        self._busy += 1
        send()

    def _end_one(self) -> None:
        self._busy -= 1
        if not self._busy and not self._ended.done():
            self._ended.set_result(None)

    def _fail(self, message: str) -> None:
        if not self._ended.done():
            self._ended.set_exception(BenchmarkError(message))
