"""Waking those who wait, over Redis pub/sub: a hint, never the news itself, which is in Postgres."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.broker.script import Script
from app.broker.subscription import Subscription

_log = logging.getLogger(__name__)

_CANCEL: Final = "cancel"
# Seconds a wait lasts at most while no wake-up can arrive.
_BLIND_STEP: Final = 0.25

_PUBLISH: Final = Script("for _, channel in ipairs(ARGV) do redis.call('PUBLISH', channel, '') end return {}")


def _done(task_id: UUID) -> str:
    return f"done.{task_id}"


async def publish_done(redis: Redis, task_ids: Iterable[UUID]) -> None:
    """Wake those who wait for these tasks, in one round trip; raises ``RedisError``."""
    channels = [_done(task_id) for task_id in task_ids]
    if channels:
        await _PUBLISH.run(redis, [], channels)


async def publish_cancel(redis: Redis, task_id: UUID) -> None:
    """Tell every worker that this task is to stop; raises ``RedisError``."""
    await redis.publish(_CANCEL, str(task_id))


async def listen_cancels(redis_url: str, callback: Callable[[UUID], None]) -> None:
    """Call ``callback(task_id)`` for each cancel, until the caller cancels this coroutine.

    What is published while Redis is away is not heard. What the callback raises is logged.
    """

    def hear(_channel: str, data: bytes) -> None:
        try:
            callback(UUID(data.decode()))
        except Exception:  # noqa: BLE001 one bad message must not end the listening
            _log.exception("cancel wake-up failed")

    subscription = Subscription(redis_url, hear)
    await subscription.start()
    try:
        await subscription.add(_CANCEL)
        await asyncio.Event().wait()
    finally:
        await subscription.close()


class Wakeup:
    """What one waiter waits with; made by ``Waiters.watch``."""

    def __init__(self, waiters: "Waiters") -> None:
        """Belong to the waiters of one process."""
        self._waiters = waiters
        self._event = asyncio.Event()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 the caller's time is the subject
        """Wait up to ``timeout`` seconds; True means that it is time to look.

        While ``Waiters.healthy`` is False it lasts 0.25 s at most: the caller polls.
        """
        step = timeout if self._waiters.healthy else min(timeout, _BLIND_STEP)
        try:
            async with asyncio.timeout(step):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def wake(self) -> None:
        """Let ``wait`` return."""
        self._event.set()


class Waiters:
    """All waiting requests of a process, over one pub/sub connection from ``start`` to ``close``."""

    def __init__(self, redis_url: str) -> None:
        """Connect on ``start``; Redis may be away then, and at any time after."""
        self._watchers: dict[str, set[Wakeup]] = {}
        self._subscription = Subscription(redis_url, self._on_done, self._on_change)

    @property
    def healthy(self) -> bool:
        """Whether wake-ups arrive; if not, poll."""
        return self._subscription.healthy

    async def start(self) -> None:
        """Begin to listen; returns at once when Redis is away."""
        await self._subscription.start()

    async def close(self) -> None:
        """Stop listening and leave no task behind; who still waits is woken."""
        await self._subscription.close()
        self._on_change()

    @asynccontextmanager
    async def watch(self, task_id: UUID) -> AsyncIterator[Wakeup]:
        """Hear of a task's end from here on: read the database in the block, before the first ``wait``."""
        channel, wakeup = _done(task_id), Wakeup(self)
        self._watchers.setdefault(channel, set()).add(wakeup)
        try:
            await self._subscription.add(channel)
            yield wakeup
        finally:
            self._watchers[channel].discard(wakeup)
            if not self._watchers[channel]:
                del self._watchers[channel]
                self._subscription.remove(channel)

    def _on_done(self, channel: str, _data: bytes) -> None:
        for wakeup in self._watchers.get(channel, ()):
            wakeup.wake()

    def _on_change(self) -> None:
        # Lost: begin to poll. Found again: what was published in the gap was not heard.
        for channel in self._watchers:
            self._on_done(channel, b"")
