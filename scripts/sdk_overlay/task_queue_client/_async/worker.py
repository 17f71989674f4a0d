"""A worker of your own: ``client.worker(…)``."""

import logging
import math
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from task_queue_client import working, writing
from task_queue_client.calls import Call
from task_queue_client.errors import InvalidRequestError, TaskQueueError
from task_queue_client.models import FinishResponse, HeartbeatResponse, LeasedTask, LeaseResponse, ReleaseResponse
from task_queue_client.patience import LONGEST_WAIT, Patience
from task_queue_client.working import Beat, LeaseHeld, TaskContext

from .running import Answer, Background, Bell, stopped_by_signals
from .transport import AsyncTransport

AsyncHandler = Callable[[Any, TaskContext], Answer]
H = TypeVar("H", bound=AsyncHandler)

_LOG = logging.getLogger("task_queue_client.worker")
_AT_ONCE = 100
"""Leases that one call takes."""
_PAUSE = 1.0
"""Seconds before the next call after one that found no task."""
_TICK = 1.0
_AFTER_RELEASE = 3.0
"""Seconds for handlers to note that their leases were given back."""
_MARGIN = 5.0


class AsyncWorker:
    """Leases tasks of your own types, calls their handlers, and ends the tasks.

    It renews the leases meanwhile. ``run`` returns after SIGTERM, SIGINT or ``stop``.
    """

    def __init__(
        self,
        transport: AsyncTransport,
        name: str,
        *,
        concurrency: int,
        lease_seconds: int,
        grace_seconds: float,
        version: str | None,
    ) -> None:
        """Made by the client."""
        if concurrency < 1:
            raise ValueError("concurrency must be at least 1")
        self._transport = transport
        self._name = name
        self._version = version
        self._concurrency = concurrency
        self._lease_seconds = lease_seconds
        self._grace_seconds = grace_seconds
        self._handlers: dict[str, AsyncHandler] = {}
        self._running: dict[str, LeaseHeld] = {}
        self._background = Background()
        self._freed, self._changed, self._beating = Bell(), Bell(), Bell()
        self._stops = 0
        self._is_ended = False
        self._failure: Exception | None = None
        # Below the time after which the client gives an answer up.
        self._wait_seconds = max(0, int(min(LONGEST_WAIT, transport.timeout - _MARGIN)))

    def task(self, name: str) -> Callable[[H], H]:
        """Make a function the handler of a task type: it takes the payload and the context, and returns the result."""

        def register(handler: H) -> H:
            if name in self._handlers:
                raise ValueError(f"the task type {name} has a handler already")
            self._handlers[name] = handler
            return handler

        return register

    def stop(self) -> None:
        """End ``run``: lease nothing more, and give handlers ``grace_seconds``. A second call ends the grace."""
        self._stops += 1
        self._freed.ring()
        self._changed.ring()

    async def run(self) -> None:
        """Work until SIGTERM, SIGINT or ``stop``. It raises the ``APIError`` of a call that no repetition can help."""
        if not self._handlers:
            raise ValueError("the worker has no handler: add one with @worker.task(name)")
        with stopped_by_signals(self.stop):
            self._background.start(self._guard, self._lease_tasks)
            self._background.start(self._guard, self._renew_leases)
            try:
                while not self._stops:
                    await self._changed.wait(_TICK)
                await self._drain()
            finally:
                self._is_ended = True
                self._beating.ring()
                await self._background.abandon()
        if self._failure is not None:
            raise self._failure

    async def _drain(self) -> None:
        stops, deadline = self._stops, time.monotonic() + self._grace_seconds
        if self._running:
            _LOG.info("stopping: %d tasks have %g s to end", len(self._running), self._grace_seconds)
        while self._running and self._stops == stops and (left := deadline - time.monotonic()) > 0:
            await self._changed.wait(min(left, _TICK))
        given_back = list(self._running.values())
        if not given_back:
            return
        for held in given_back:
            held.is_lost = True
        await self._release([held.lease for held in given_back])
        deadline = time.monotonic() + _AFTER_RELEASE
        while self._running and time.monotonic() < deadline:
            await self._changed.wait(_TICK / 4)

    async def _release(self, leases: list[str]) -> None:
        for first in range(0, len(leases), _AT_ONCE):
            body = {"leases": leases[first : first + _AT_ONCE]}
            try:
                await self._transport.call(Call("release_leases", ReleaseResponse, body=body), _MARGIN)
            except TaskQueueError as error:
                _LOG.warning("leases were not given back, and end by themselves: %s", error)

    async def _guard(self, loop: Callable[[], Answer]) -> None:
        try:
            await loop()
        except Exception as error:  # noqa: BLE001  # it is raised by run, which must not wait for a loop that has ended
            self._failure = self._failure or error
            self.stop()

    async def _lease_tasks(self) -> None:
        # Without an end: a worker outlives a service that is away.
        patience = Patience(math.inf)
        while not self._stops:
            free = min(self._concurrency - len(self._running), _AT_ONCE)
            if free < 1:
                await self._freed.wait(_TICK)
                continue
            try:
                await self._take(free)
            except TaskQueueError as error:
                if self._stops:
                    return
                pause = patience.pause_after(error)
                _LOG.warning("no answer about new tasks: %s", error)
                await self._freed.wait(pause)
            else:
                patience.succeeded()

    async def _take(self, count: int) -> None:
        asked_at = time.monotonic()
        leased = await self._lease(count)
        if self._stops and leased:
            await self._release([one.lease for one in leased])
            return
        for one in leased:
            held = LeaseHeld(one.lease, self._lease_seconds)
            self._running[one.lease] = held
            self._background.start(self._work, one, held)
        # An answer that came at once had no reason to wait, for example because the queue is paused.
        if not leased and time.monotonic() - asked_at < max(_PAUSE, self._wait_seconds / 2):
            # Workers that started together must not ask together.
            await self._freed.wait(_PAUSE * random.uniform(0.5, 1.0))  # noqa: S311  # not a secret

    async def _lease(self, count: int) -> list[LeasedTask]:
        body: dict[str, Any] = {
            "worker": self._name,
            "version": self._version,
            "tasks": list(self._handlers),
            "max": count,
            "lease_seconds": self._lease_seconds,
        }
        if self._wait_seconds:
            body["wait_seconds"] = self._wait_seconds
        try:
            return (await self._transport.call(Call[LeaseResponse]("lease_tasks", LeaseResponse, body=body), 0)).leases
        except InvalidRequestError as error:
            if not any((fault.pointer or "").endswith("/wait_seconds") for fault in error.errors):
                raise
            # The service is older than this client.
            self._wait_seconds = 0
        return await self._lease(count)

    async def _renew_leases(self) -> None:
        while not self._is_ended:
            due = [held for held in list(self._running.values()) if held.is_due]
            for first in range(0, len(due), _AT_ONCE):
                await self._beat(due[first : first + _AT_ONCE])
            await self._beating.wait(_TICK)

    async def _beat(self, leases: list[LeaseHeld]) -> None:
        beats = [Beat(held) for held in leases]
        body = {"leases": [beat.body for beat in beats]}
        call = Call[HeartbeatResponse]("heartbeat_leases", HeartbeatResponse, body=body)
        try:
            answer = await self._transport.call(call, 0)
        except TaskQueueError as error:
            _LOG.warning("a heartbeat failed: %s", error)
            pause = max(getattr(error, "retry_after", None) or 0.0, random.uniform(1.0, 2.0))  # noqa: S311
            for beat in beats:
                beat.failed(pause)
            return
        for beat, state in zip(beats, answer.leases, strict=True):
            beat.answered(state)

    async def _work(self, leased: LeasedTask, held: LeaseHeld) -> None:
        context = TaskContext(leased, held)
        try:
            end = await self._call_handler(leased, context)
            # A finish takes no lines.
            if held.has_reports and not held.is_lost:
                await self._beat([held])
            if not held.is_lost:
                await self._finish(context, {"lease": held.lease, **end})
        finally:
            self._running.pop(held.lease, None)
            self._freed.ring()
            self._changed.ring()

    async def _call_handler(self, leased: LeasedTask, context: TaskContext) -> dict[str, Any]:
        try:
            result = await self._handlers[leased.task](leased.payload, context)
            # What JSON cannot say is an error of the handler.
            writing.body(result)
        except (Exception, SystemExit) as error:  # noqa: BLE001  # any of them is the end of this attempt, and no more
            _LOG.info("task %s raised %s", context.task_id, type(error).__name__, exc_info=error)
            return working.error_end(error)
        return {"result": result}

    async def _finish(self, context: TaskContext, end: dict[str, Any]) -> None:
        try:
            try:
                await self._send_end(context, end)
            except InvalidRequestError as error:
                # The service cannot take this result, nor will it take it later.
                await self._send_end(context, {"lease": end["lease"], **working.refused_end(error)})
        except TaskQueueError as error:
            _LOG.warning("the end of task %s was not stored: %s", context.task_id, error)

    async def _send_end(self, context: TaskContext, end: dict[str, Any]) -> None:
        call = Call[FinishResponse]("finish_leases", FinishResponse, body={"results": [end]})
        for outcome in (await self._transport.call(call)).outcomes:
            if outcome.outcome != "ended":
                _LOG.warning("task %s: %s %s", context.task_id, outcome.outcome, outcome.detail or "")
