"""The event loop of a worker process on its own thread, with the connections to Postgres and Redis."""

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Final, TypeVar

import uvloop
from redis.asyncio import Redis

from app.broker import timelines
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.core.duty import keep_running
from app.db import Database

T = TypeVar("T")

_log = logging.getLogger(__name__)

MAX_STALL_SECONDS: Final = 10.0
"""Seconds for which a worker's own event loop may be blocked."""
# Seconds for cancelled background work to clean up, for example to delete the worker's row.
_GOODBYE: Final = 3.0
_ALIVE_INTERVAL: Final = 0.5


class Runtime:
    """Runs an event loop on a second thread. The main thread runs the tasks' sync functions.

    So progress and heartbeats are written even while a function computes for minutes. Create it after the fork: neither
    the loop nor the connections survive one.
    """

    def __init__(self, *, connections: int, role: str = "tq_worker", task_factory: Any = None) -> None:
        """Start the thread. Up to ``connections`` connections to Postgres are opened, each when it is first needed.

        They log in as ``role``.
        ``task_factory`` creates the loop's asyncio tasks; None means asyncio's default.
        """
        self.loop = uvloop.new_event_loop()
        self.alive_at = time.monotonic()
        """The last time (monotonic) at which the loop ran. Only updated while ``mark_alive`` runs."""
        if task_factory is not None:
            self.loop.set_task_factory(task_factory)
        # asyncio itself keeps weak references only: without this set, a running task could be garbage-collected.
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run_loop, name="runtime", daemon=True)
        self._thread.start()
        self.database, self.redis = self.run(self._connect(role, connections))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and wait for its result. An exception raised in the waiting thread cancels it."""
        future = self.start(work)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine on the loop without waiting for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a coroutine as an asyncio task and keep a reference until it is done. Call it on the loop's thread."""
        task = self.loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def on_duty(self, **duties: Callable[[], Awaitable[None]]) -> None:
        """Start duties, by name, that run until the runtime is closed. One that fails is restarted after a pause."""
        # Restarted, because a worker without heartbeats loses its attempts, and one without its poller ignores cancels.
        for name, duty in duties.items():
            self.run(self._begin(keep_running(name, duty)))

    async def mark_alive(self) -> None:
        """Record twice a second that the loop responds, until cancelled."""
        while True:
            self.alive_at = time.monotonic()
            await asyncio.sleep(_ALIVE_INTERVAL)

    @property
    def thread_id(self) -> int:
        """Return the id of the loop's thread, as ``threading.get_ident`` does."""
        return self._thread.ident or 0

    def close(self) -> None:
        """Cancel all asyncio tasks, close the connections and end the thread."""
        self.run(self._disconnect())
        self._is_closing = True
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(timeout=5)

    def _run_loop(self) -> None:
        # A task's code may stop the loop, or raise an error in a callback that asyncio does not catch (SystemExit).
        while not self._is_closing and not self.loop.is_closed():
            try:
                self.loop.run_forever()
            except BaseException:  # noqa: BLE001 the thread must not end before the runtime is closed
                _log.exception("a task's code raised an error that ends an event loop: the loop is started again")

    async def _begin(self, duty: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        return self.spawn(duty)

    async def _connect(self, role: str, connections: int) -> tuple[Database, Redis]:
        database, redis = Database(role, size=connections), redis_connections.connect(get_settings().redis_url)
        # Before the first connection to Postgres, so that an old primary is recognised.
        await timelines.exchange(redis)
        self.spawn(timelines.follow(redis))
        return database, redis

    async def _disconnect(self) -> None:
        # Duties (heartbeat, polls) never end by themselves. They are cancelled first, because their clean-up needs the
        # connections.
        others = (asyncio.all_tasks() | self._tasks) - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            await asyncio.wait(others, timeout=_GOODBYE)
        await self.database.close()
        await self.redis.aclose()
