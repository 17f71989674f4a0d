"""Wake waiting requests and workers over Redis pub/sub. A message is only a hint to look: the facts are in Postgres.

One channel names every task that has ended, and its tenant. Every api process is subscribed to it all the time. So a
waiting request costs Redis nothing, and no end is missed because a subscription began late. The price is that each
process receives messages about tasks that nobody waits for in it. To keep it low, one message names all that a sender
has (docs/decisions/0008-one-channel-for-all-ends.md).
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final
from uuid import UUID

from redis.asyncio import Redis

from app.broker.script_connection import ScriptConnection
from app.broker.subscription import Subscription

_log = logging.getLogger(__name__)

_CANCEL: Final = "cancel"
# A message has the ids of ended tasks and of their tenants, one after another, in bytes. It names no status, so that
# a reader of Redis learns nothing else.
_DONE: Final = "done"
_ID_BYTES: Final = 16
# The ids of tenants that have new events for webhooks, in the same form.
_WEBHOOK: Final = "webhook"
# The longest wait in seconds while no message can arrive.
_BLIND_STEP: Final = 0.25
# One line for each tenant and type: the tenant's id, how many tasks are due, and the name of the type.
_WORK: Final = "work"


async def publish_done(
    redis: Redis, task_ids: Iterable[UUID], webhooks: Iterable[UUID] = (), *, tenants: Iterable[UUID] = ()
) -> None:
    """Wake the requests that wait for these tasks, by one message. Raises ``RedisError``.

    ``tenants`` are those of the tasks: the same message wakes the readers of their events.
    ``webhooks`` are tenants that have events to send: another message, in the same round trip, wakes who sends them.
    """
    done = b"".join(named.bytes for named in (*task_ids, *set(tenants)))
    behind = b"".join(tenant_id.bytes for tenant_id in set(webhooks))
    if not behind:
        if done:
            await redis.publish(_DONE, done)
        return
    async with redis.pipeline(transaction=False) as pipeline:
        # Each is only noted, so there is nothing to await yet.
        pipeline.publish(_DONE, done)
        pipeline.publish(_WEBHOOK, behind)
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


async def publish_work(redis: Redis | ScriptConnection, due: Iterable[tuple[UUID, str, int]]) -> None:
    """Tell every api process of due tasks of tenants' own types: (tenant, type, number). Raises ``RedisError``."""
    lines = [f"{tenant_id.hex} {tasks} {task_type}" for tenant_id, task_type, tasks in due]
    await redis.publish(_WORK, "\n".join(lines).encode())


def work_subscription(
    redis_url: str, on_work: Callable[[UUID, str, int], None], on_change: Callable[[], None]
) -> Subscription:
    """Return a subscription that calls ``on_work`` with a tenant, a type of its own, and how many tasks are due.

    ``on_change`` is called when messages begin or cease to arrive. A line that makes no sense is ignored.
    """

    def hear(data: bytes) -> None:
        for line in data.split(b"\n"):
            try:
                tenant, tasks, task_type = line.decode().split(" ")
                due = UUID(tenant), task_type, int(tasks)
            except ValueError:
                continue
            on_work(*due)

    return Subscription(redis_url, _WORK, hear, on_change)


async def publish_cancel(redis: Redis, task_id: UUID) -> None:
    """Tell every worker that this task was cancelled. Raises ``RedisError``."""
    await redis.publish(_CANCEL, str(task_id))


async def listen_cancels(redis_url: str, callback: Callable[[UUID], None]) -> None:
    """Call ``callback(task_id)`` for each cancel, until the caller cancels this coroutine.

    Messages that are sent while Redis is unavailable are lost. Errors of the callback are logged.
    """

    def hear(data: bytes) -> None:
        try:
            callback(UUID(data.decode()))
        except Exception:  # noqa: BLE001 one bad message must not end the listening
            _log.exception("cannot handle a cancel message; the next poll finds the cancelled task")

    subscription = Subscription(redis_url, _CANCEL, hear)
    await subscription.start()
    try:
        await asyncio.Event().wait()
    finally:
        await subscription.close()


class Wakeup:
    """The wake-up of one waiting request. ``Waiters.watch`` creates it."""

    def __init__(self, waiters: "Waiters") -> None:
        """``waiters`` are the waiters of this process."""
        self._waiters = waiters
        self._event = asyncio.Event()

    async def wait(self, timeout: float) -> bool:  # noqa: ASYNC109 the caller's time is the subject
        """Wait up to ``timeout`` seconds; return True if a message came, so that it is time to look.

        While ``Waiters.healthy`` is False, it returns after 0.25 s at most, so that the caller polls.
        """
        return await self.hear(timeout if self._waiters.healthy else min(timeout, _BLIND_STEP))

    async def hear(self, timeout: float) -> bool:  # noqa: ASYNC109 the caller's time is the subject
        """Do the same without polling: for callers that are woken by ``wake`` while no message can arrive."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def wake(self) -> None:
        """Make ``wait`` return True."""
        self._event.set()


class Waiters:
    """All waiting requests of a process, over one pub/sub connection from ``start`` to ``close``."""

    def __init__(self, redis_url: str) -> None:
        """``start`` connects. Redis may be unavailable then, and at any later time."""
        self._watchers: dict[bytes, set[Wakeup]] = {}
        self._subscription = Subscription(redis_url, _DONE, self._on_done, self._on_change)

    @property
    def healthy(self) -> bool:
        """Return whether messages arrive. If not, callers must poll."""
        return self._subscription.healthy

    async def start(self) -> None:
        """Begin to listen. Return even if Redis is unavailable."""
        await self._subscription.start()

    async def close(self) -> None:
        """Stop listening, and wake the requests that still wait. No asyncio task is left behind."""
        await self._subscription.close()
        self._on_change()

    @contextmanager
    def watch(self, named: UUID) -> Iterator[Wakeup]:
        """Yield a wake-up for the end of a task, or for every end of a tenant, by its id.

        Read the database inside the block, before the first ``wait``.
        """
        # In this order no end is missed: it comes either before the read or as a message after it.
        key, wakeup = named.bytes, Wakeup(self)
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
        # All requests look now: after a loss they begin to poll, and after a return they may have missed messages.
        for watchers in self._watchers.values():
            for wakeup in watchers:
                wakeup.wake()
