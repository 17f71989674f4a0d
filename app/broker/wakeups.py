"""Waking those who wait, over Redis pub/sub: a hint, never the news itself, which is in Postgres.

One channel names every task that has ended, and every api process hears it, whoever waits there: to wait costs Redis
nothing, and nobody has to look again because the hearing began late. The price is that a process takes note of tasks
that nobody waits for in it, so whoever has several to name names them in one message
(docs/decisions/0008-one-channel-for-all-ends.md).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.broker.subscription import Subscription

_log = logging.getLogger(__name__)

_CANCEL: Final = "cancel"
# A message is the ids of tasks that have ended, one after another, in bytes. No more: not whose, and not how.
_DONE: Final = "done"
_ID_BYTES: Final = 16
# The ids of tenants that have new events for webhooks, in the same form.
_WEBHOOK: Final = "webhook"
# Seconds a wait lasts at most while no wake-up can arrive.
_BLIND_STEP: Final = 0.25


async def publish_done(redis: Redis, task_ids: Iterable[UUID], webhooks: Iterable[UUID] = ()) -> None:
    """Wake those who wait for these tasks, by one message; raises ``RedisError``.

    ``webhooks`` are tenants that have events to send: another message, in the same round trip, wakes who sends them.
    """
    done = b"".join(task_id.bytes for task_id in task_ids)
    tenants = b"".join(tenant_id.bytes for tenant_id in set(webhooks))
    if not tenants:
        if done:
            await redis.publish(_DONE, done)
        return
    async with redis.pipeline(transaction=False) as pipeline:
        # Each is only noted, so there is nothing to await yet.
        pipeline.publish(_DONE, done)
        pipeline.publish(_WEBHOOK, tenants)
        await pipeline.execute()


def webhook_subscription(
    redis_url: str, on_tenants: Callable[[Iterable[UUID]], None], on_change: Callable[[], None]
) -> Subscription:
    """Return a subscription that calls ``on_tenants`` with tenants that have events for webhooks.

    ``on_change`` is called when messages begin or cease to arrive. A message that makes no sense is ignored.
    """

    def hear(data: bytes) -> None:
        whole = len(data) - len(data) % _ID_BYTES
        on_tenants(UUID(bytes=data[start : start + _ID_BYTES]) for start in range(0, whole, _ID_BYTES))

    return Subscription(redis_url, _WEBHOOK, hear, on_change)


async def publish_cancel(redis: Redis, task_id: UUID) -> None:
    """Tell every worker that this task is to stop; raises ``RedisError``."""
    await redis.publish(_CANCEL, str(task_id))


async def listen_cancels(redis_url: str, callback: Callable[[UUID], None]) -> None:
    """Call ``callback(task_id)`` for each cancel, until the caller cancels this coroutine.

    What is published while Redis is away is not heard. What the callback raises is logged.
    """

    def hear(data: bytes) -> None:
        try:
            callback(UUID(data.decode()))
        except Exception:  # noqa: BLE001 one bad message must not end the listening
            _log.exception("cancel wake-up failed")

    subscription = Subscription(redis_url, _CANCEL, hear)
    await subscription.start()
    try:
        await asyncio.Event().wait()
    finally:
        await subscription.close()


class Wakeup:
    """The wake-up of one waiting request; ``Waiters.watch`` makes it."""

    def __init__(self, waiters: "Waiters") -> None:
        """``waiters`` are those of this process."""
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
        self._watchers: dict[bytes, set[Wakeup]] = {}
        self._subscription = Subscription(redis_url, _DONE, self._on_done, self._on_change)

    @property
    def healthy(self) -> bool:
        """Tell whether wake-ups arrive; if not, poll."""
        return self._subscription.healthy

    async def start(self) -> None:
        """Begin to listen; returns at once when Redis is away."""
        await self._subscription.start()

    async def close(self) -> None:
        """Stop listening and leave no task behind; who still waits is woken."""
        await self._subscription.close()
        self._on_change()

    @contextmanager
    def watch(self, task_id: UUID) -> Iterator[Wakeup]:
        """Hear of a task's end from here on: read the database in the block, before the first ``wait``."""
        key, wakeup = task_id.bytes, Wakeup(self)
        self._watchers.setdefault(key, set()).add(wakeup)
        try:
            yield wakeup
        finally:
            self._watchers[key].discard(wakeup)
            if not self._watchers[key]:
                del self._watchers[key]

    def _on_done(self, data: bytes) -> None:
        for start in range(0, len(data), _ID_BYTES):
            for wakeup in self._watchers.get(data[start : start + _ID_BYTES], ()):
                wakeup.wake()

    def _on_change(self) -> None:
        # Lost: begin to poll. Found again: what was published in the gap was not heard.
        for watchers in self._watchers.values():
            for wakeup in watchers:
                wakeup.wake()
