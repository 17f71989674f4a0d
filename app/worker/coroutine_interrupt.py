"""Interrupt a coroutine with any error: asyncio itself can only raise ``CancelledError`` in it."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class InterruptibleCoroutine(Generic[T]):
    """Runs a coroutine as an asyncio task of its own, and raises errors in it where it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Begin at once, on the running loop; with ``loop`` as soon as that runs."""
        self._steps = coroutine.__await__()
        self._error: BaseException | None = None
        self.task: asyncio.Task[T] = (loop or asyncio.get_running_loop()).create_task(self._run())

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` where the coroutine waits; it may clean up or go on. Code that never waits is not reached."""
        self._error = error
        self.task.cancel()

    async def _run(self) -> T:
        return await self

    def __await__(self) -> Generator[Any, Any, T]:
        """Pass on what the coroutine waits for, and the result of the wait."""
        sent: Any = None
        error: BaseException | None = None
        try:
            while True:
                wanted = self._steps.send(sent) if error is None else self._steps.throw(error)
                try:
                    sent, error = (yield wanted), None
                except GeneratorExit:
                    self._steps.close()
                    raise
                except BaseException as raised:  # noqa: BLE001 whatever it is, it is the coroutine's
                    error = self._told(raised)
        except StopIteration as stopped:
            return stopped.value  # type: ignore[no-any-return]

    def _told(self, raised: BaseException) -> BaseException:
        if self._error is None or not isinstance(raised, asyncio.CancelledError):
            return raised
        error, self._error = self._error, None
        self.task.uncancel()
        return error
