"""Run several things at once, with asyncio. The blocking client has a module of its own with the same names."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

Answer: TypeAlias = Awaitable[Any]
"""The answer of a handler."""


class Bell:
    """Wakes the one who waits for it."""

    def __init__(self) -> None:
        """Nothing has rung yet."""
        self._event = asyncio.Event()

    def ring(self) -> None:
        """Wake the one who waits, or who will wait next."""
        self._event.set()

    async def wait(self, seconds: float) -> None:
        """Wait until it rings, but for so many seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._event.wait()
        self._event.clear()


class Background:
    """Functions that run at the same time."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, function: Callable[..., Coroutine[Any, Any, None]], *arguments: Any) -> None:
        """Start a function."""
        task = asyncio.create_task(function(*arguments))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def abandon(self) -> None:
        """Cancel what still runs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call a function at SIGTERM and SIGINT, instead of ending the program."""
    loop = asyncio.get_running_loop()
    caught: list[signal.Signals] = []
    # Only the main thread can, and only on systems that have signals.
    with suppress(ValueError, RuntimeError, NotImplementedError):
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop)
            caught.append(number)
    try:
        yield
    finally:
        for number in caught:
            loop.remove_signal_handler(number)
