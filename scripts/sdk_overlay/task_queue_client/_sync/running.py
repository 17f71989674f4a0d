"""Run several things at once, with threads. The asyncio client has a module of its own with the same names."""

import queue
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeAlias

Answer: TypeAlias = Any
"""The answer of a handler."""


class Bell:
    """Wakes the one who waits for it. A signal handler may ring it, which an Event does not allow."""

    def __init__(self) -> None:
        """Nothing has rung yet."""
        self._rings: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ring(self) -> None:
        """Wake the one who waits, or who will wait next."""
        self._rings.put(None)

    def wait(self, seconds: float) -> None:
        """Wait until it rings, but for so many seconds at most."""
        with suppress(queue.Empty):
            self._rings.get(timeout=seconds)
            # Several rings wake once.
            while True:
                self._rings.get_nowait()


class Background:
    """Functions that run at the same time."""

    def start(self, function: Callable[..., None], *arguments: Any) -> None:
        """Start a function. It does not keep the program from ending."""
        threading.Thread(target=function, args=arguments, daemon=True).start()

    def abandon(self) -> None:
        """Leave what still runs: a thread cannot be ended from outside."""


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Call a function at SIGTERM and SIGINT, instead of ending the program."""
    before: dict[int, Any] = {}
    # Only the main thread can.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, lambda *_: stop())
    try:
        yield
    finally:
        for caught, handler in before.items():
            signal.signal(caught, handler)
