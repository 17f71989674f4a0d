"""The lease calls that wait for a task in one api process. Each is one entry in memory, and uses no connection.

A message of Redis names a tenant, a type and how many tasks are due. It wakes as many polls as there are tasks, and no
more. Messages are hints: a poll that is woken looks in Postgres, and waits on if another process was faster.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Final, TypeAlias
from uuid import UUID

from app.broker import wakeups
from app.core.errors import TooManyPolls
from app.http import long_poll

# Seconds between two looks for one tenant and one type, while no message can arrive.
_BLIND_INTERVAL: Final = 1.0

_Queue: TypeAlias = "dict[ParkedPoll, None]"


class ParkedPoll:
    """A lease call that waits. ``ParkedPolls.parked`` creates it."""

    def __init__(self, polls: "ParkedPolls", tenant_id: UUID, task_types: Sequence[str], max_tasks: int) -> None:
        """``max_tasks`` is how many tasks it takes in one look."""
        self._polls = polls
        self.tenant_id = tenant_id
        self.task_types = task_types
        self.max_tasks = max_tasks
        self.told: Counter[str] = Counter()
        """Tasks, by type, of which it was told, and for which it has not looked yet."""
        self.is_over = False
        """The server stops: the call is answered now."""
        self._event = asyncio.Event()

    async def hear(self, timeout: float) -> bool:  # noqa: ASYNC109 the caller's time is the subject
        """Wait up to ``timeout`` seconds; return True if it was woken."""
        try:
            async with asyncio.timeout(timeout):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def wake(self) -> None:
        """Make ``hear`` return True."""
        self._event.set()

    def end(self) -> None:
        """Let the call be answered now, because the server stops."""
        self.is_over = True
        self.wake()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Look for tasks inside the block. What the poll was told before is done then, unless the look fails."""
        told, self.told = self.told, Counter()
        self._polls.enter(self)
        try:
            yield
        except BaseException:
            self.told.update(told)
            raise


class ParkedPolls:
    """All lease calls that wait in this process, over one pub/sub connection from ``start`` to ``close``."""

    def __init__(self, redis_url: str) -> None:
        """``start`` connects. Redis may be unavailable then, and at any later time."""
        self._queues: dict[tuple[UUID, str], _Queue] = {}
        self._counts: Counter[UUID] = Counter()
        self._subscription = wakeups.work_subscription(redis_url, self.wake, self._wake_one_of_each)

    async def start(self) -> None:
        """Begin to listen. Return even if Redis is unavailable."""
        await self._subscription.start()

    async def close(self) -> None:
        """Stop listening. No asyncio task is left behind."""
        await self._subscription.close()

    async def run(self) -> None:
        """Wake one poll of each tenant and type about once a second while no message can arrive, until cancelled."""
        while True:
            queues = [] if self._subscription.healthy else list(self._queues)
            for tenant_id, task_type in queues:
                self.wake(tenant_id, task_type, 1)
                # Spread over the interval, so that the looks of all tenants do not come at once.
                await asyncio.sleep(_BLIND_INTERVAL / len(queues) * random.uniform(0.5, 1.5))  # noqa: S311 no secret
            if not queues:
                await asyncio.sleep(_BLIND_INTERVAL)

    @contextmanager
    def parked(self, tenant_id: UUID, task_types: Sequence[str], *, max_tasks: int, limit: int) -> Iterator[ParkedPoll]:
        """Yield a poll that hears of due tasks of these types. Raises ``TooManyPolls`` beyond ``limit``.

        Look inside the block, before the first ``hear``.
        """
        # In this order no task is missed: its commit comes before the look, or its message after it.
        if self._counts[tenant_id] >= limit:
            raise TooManyPolls(limit)
        poll = ParkedPoll(self, tenant_id, task_types, max_tasks)
        with ExitStack() as stack:
            self._counts[tenant_id] += 1
            stack.callback(self._leave, poll)
            stack.enter_context(long_poll.open_until_end(poll.end))
            self.enter(poll)
            yield poll

    def wake(self, tenant_id: UUID, task_type: str, tasks: int) -> None:
        """Wake polls that take so many tasks together: first the one whose last look is the longest ago."""
        left = tasks
        # Each of them takes one task at least.
        for poll in list(islice(self._queues.get((tenant_id, task_type), ()), tasks)):
            if left <= 0:
                return
            told = max(0, min(left, poll.max_tasks - poll.told.total()))
            left -= told
            poll.told[task_type] += told
            if poll.told.total() >= poll.max_tasks:
                # It takes no more, so nothing has to pass it until it has looked.
                self._remove(poll)
            poll.wake()

    def enter(self, poll: ParkedPoll) -> None:
        """Let a poll be the last one that is woken."""
        self._remove(poll)
        for task_type in poll.task_types:
            self._queues.setdefault((poll.tenant_id, task_type), {})[poll] = None

    def _remove(self, poll: ParkedPoll) -> None:
        for task_type in poll.task_types:
            queue = self._queues.get((poll.tenant_id, task_type), {})
            if queue.pop(poll, poll) is None and not queue:
                del self._queues[poll.tenant_id, task_type]

    def _leave(self, poll: ParkedPoll) -> None:
        self._remove(poll)
        self._counts[poll.tenant_id] -= 1
        if not self._counts[poll.tenant_id]:
            del self._counts[poll.tenant_id]
        # It was told of tasks and has not looked: another one does.
        for task_type, tasks in poll.told.items():
            self.wake(poll.tenant_id, task_type, tasks)

    def _wake_one_of_each(self) -> None:
        # Messages may have been missed. One poll of each is enough: it wakes the next one if more is due.
        for tenant_id, task_type in list(self._queues):
            self.wake(tenant_id, task_type, 1)
