"""Raise any error inside a waiting coroutine. asyncio itself can only raise ``CancelledError`` there."""

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class InterruptibleCoroutine(Generic[T]):
    """Runs a coroutine in a separate asyncio task, and can raise errors at the point where it waits."""

    def __init__(self, coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Start on the running loop. If ``loop`` is given, start as soon as that loop runs."""
        self._steps = coroutine.__await__()
        self._error: BaseException | None = None
        self.task: asyncio.Task[T] = (loop or asyncio.get_running_loop()).create_task(self._run())

    def interrupt(self, error: BaseException) -> None:
        """Raise ``error`` where the coroutine waits; it may clean up or go on. Code that never waits is not reached."""
        # asyncio delivers a CancelledError; ``_replaced`` replaces it by this error on its way into the coroutine.
        self._error = error
        self.task.cancel()

    async def _run(self) -> T:
        return await self

    def __await__(self) -> Generator[Any, Any, T]:
        """Drive the coroutine: pass each awaited future to asyncio, and each result or error back."""
        sent: Any = None
        error: BaseException | None = None
        try:
            while True:
                wanted = self._steps.send(sent) if error is None else self._steps.throw(error)
                try:
                    sent, error = (yield wanted), None
                except GeneratorExit:
                    # This generator is being closed, so the coroutine must run its own clean-up now.
                    self._steps.close()
                    raise
                except BaseException as raised:  # noqa: BLE001 every error belongs to the coroutine, which may handle it
                    error = self._replaced(raised)
        except StopIteration as stopped:
            return stopped.value  # type: ignore[no-any-return]

    def _replaced(self, raised: BaseException) -> BaseException:
        if self._error is None or not isinstance(raised, asyncio.CancelledError):
            return raised
        error, self._error = self._error, None
        # The cancel was only the carrier. Without uncancel, asyncio.timeout and TaskGroup in the code would misread it.
        self.task.uncancel()
        return error
