"""Answering many callers together: what arrives while one group is under way makes the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from app.core.errors import Unavailable

Item = TypeVar("Item")
Found = TypeVar("Found")

_PATIENCE: Final = 1.9


class Lane(Generic[Item, Found]):
    """One group at a time. No timer: a lone item goes at once, and load alone makes groups."""

    def __init__(
        self,
        answer: Callable[[Sequence[Item]], Awaitable[Sequence[Found]]],
        *,
        largest: int,
        patience: float | None = _PATIENCE,
    ) -> None:
        """``answer`` returns what was found for each of up to ``largest`` items, in their order.

        Nobody waits for longer than ``patience`` seconds; None: for as long as it takes.
        """
        self._answer = answer
        self._largest = largest
        self._patience = patience
        self._waiting: deque[tuple[Item, asyncio.Future[Found]]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def ask(self, item: Item) -> Found:
        """Return what is found for an item; raises what ``answer`` raises, ``Unavailable`` after ``patience``."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[Found] = loop.create_future()
        self._waiting.append((item, found))
        if self._running is None:
            self._running = asyncio.create_task(self._run(), name="lane")
        if self._patience is None:
            return await found
        deadline = loop.call_later(self._patience, _give_up, found)
        try:
            return await found
        finally:
            deadline.cancel()

    async def close(self) -> None:
        """Wait until everything that was asked is answered."""
        if self._running is not None:
            await self._running

    async def _run(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(self._largest, len(self._waiting)))]
                # A caller who has gone, or was told that there is no answer, needs none.
                group = [(item, found) for item, found in group if not found.done()]
                if group:
                    await self._answer_group(group)
        finally:
            self._running = None

    async def _answer_group(self, group: "list[tuple[Item, asyncio.Future[Found]]]") -> None:
        try:
            answers = await self._answer([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 it is raised to each caller
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
