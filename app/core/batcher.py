"""Micro-batching: items that arrive while one group is being processed form the next group.

Used where one call for many items costs little more than one for a single item: SQL statements, Redis scripts.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from app.core.errors import Unavailable

Item = TypeVar("Item")
Found = TypeVar("Found")
Entry: TypeAlias = "tuple[Item, asyncio.Future[Found]]"
"""An item, and the future that its caller waits for."""

# Seconds. A request whose answer does not come is refused with 503 within 2 s.
_ANSWER_TIMEOUT: Final = 1.9


class Queue(Protocol[Item, Found]):
    """The items that wait. It decides which of them form the next group."""

    def add(self, entry: "Entry[Item, Found]") -> None:
        """Add an item at the end."""

    def take(self) -> "list[Entry[Item, Found]]":
        """Remove and return the next group. An empty group ends the batcher's run, even if items still wait."""


class FirstInFirstOut(Generic[Item, Found]):
    """A queue in the order of arrival."""

    def __init__(self, max_items: int | None) -> None:
        """``max_items`` bounds a group; None means that a group has all waiting items."""
        self._max_items = max_items
        self._entries: deque[Entry[Item, Found]] = deque()

    def add(self, entry: "Entry[Item, Found]") -> None:
        """Add an item at the end."""
        self._entries.append(entry)

    def take(self) -> "list[Entry[Item, Found]]":
        """Remove and return the oldest items."""
        waiting = len(self._entries)
        size = waiting if self._max_items is None else min(self._max_items, waiting)
        return [self._entries.popleft() for _ in range(size)]


class Batcher(Generic[Item, Found]):
    """Answers one group of items at a time.

    There is no timer: a single item is processed at once, and only load makes larger groups.
    """

    def __init__(
        self,
        answer: Callable[[Sequence[Item]], Awaitable[Sequence[Found]]],
        *,
        max_items: int | None = None,
        timeout: float | None = _ANSWER_TIMEOUT,
        queue: "Queue[Item, Found] | None" = None,
    ) -> None:
        """``answer`` gets up to ``max_items`` items (None: any number) and returns their answers in the same order.

        A caller waits at most ``timeout`` seconds (None: without a limit). ``queue`` replaces the order of arrival, and
        then ``max_items`` has no effect.
        """
        self._answer = answer
        self._timeout = timeout
        self._queue = FirstInFirstOut[Item, Found](max_items) if queue is None else queue
        self._running: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Found:
        """Return the answer to an item. Raises what ``answer`` raises, and ``Unavailable`` after ``timeout``."""
        found = self.add(item)
        if self._timeout is None:
            return await found
        # A timer that sets the future, and not asyncio.timeout: the group goes on for its other callers.
        deadline = asyncio.get_running_loop().call_later(self._timeout, _give_up, found)
        try:
            return await found
        finally:
            deadline.cancel()

    def add(self, item: Item) -> "asyncio.Future[Found]":
        """Add an item without waiting. The future gets its answer later."""
        found: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self._queue.add((item, found))
        self.start()
        return found

    def start(self) -> None:
        """Process groups until the queue returns an empty one.

        Call it when a queue of yours has a group again after it returned an empty one although items waited.
        """
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="batcher")

    @property
    def is_running(self) -> bool:
        """Return whether a group is being answered."""
        return self._running is not None

    async def close(self) -> None:
        """Wait until all items are answered."""
        if self._running is not None:
            await self._running

    def cancel(self) -> None:
        """Stop without answering anybody. For the end of a process."""
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        try:
            while taken := self._queue.take():
                # Skip items whose caller has gone or has timed out.
                if group := [entry for entry in taken if not entry[1].done()]:
                    await self._answer_group(group)
        finally:
            self._running = None

    async def _answer_group(self, group: "list[Entry[Item, Found]]") -> None:
        try:
            answers = await self._answer([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 it is raised in each caller instead
            for _, found in group:
                if not found.done():
                    found.set_exception(error)
            return
        for (_, found), answer in zip(group, answers, strict=True):
            if not found.done():
                found.set_result(answer)


def _give_up(found: "asyncio.Future[Found]") -> None:
    if not found.done():
        found.set_exception(Unavailable())
