"""Run ``async def`` tasks on a child's main thread, one after the other, on an event loop for them alone.

The runtime, which claims and writes ends, has another loop. So both continue whatever the code does to its own loop
(block, stop or close it, cancel all its tasks, leave some behind). And the signal of the time limit, which Python
handles on the main thread, reaches the code.
"""

import asyncio
import logging
import os
from asyncio.events import Handle
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

from app.tasks.definition.context import SoftTimeLimitExceeded
from app.worker.coroutine_interrupt import InterruptibleCoroutine
from app.worker.prefork import soft_time_limit

T = TypeVar("T")

_log = logging.getLogger(__name__)

# Seconds for asyncio tasks that the code left behind to end after they were cancelled.
_GRACE: Final = 1.0
_RUNS_A_CALLBACK: Final = Handle._run.__code__  # noqa: SLF001 the one frame below which a loop's callbacks run


class CoroutineRunner:
    """Runs coroutines on this thread. The loop is kept, so that a module's connections on it stay usable."""

    def __init__(self) -> None:
        """Create the loop later, when it is first needed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        # These objects are kept for ever. Code that ignores every exception would also ignore the one that its
        # destructor raises, and then run without end on whichever thread collects garbage.
        self._abandoned: list[object] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and cancel asyncio tasks that it leaves behind. Raises the coroutine's error."""
        loop = self._loop = self._sound_loop()
        code = InterruptibleCoroutine(coroutine, loop)

        def interrupt(error: SoftTimeLimitExceeded, frame: FrameType | None) -> None:
            if not _runs_a_callback(frame):
                # The loop waits for events, so the error is raised where the coroutine waits.
                loop.call_soon_threadsafe(code.interrupt, error)
                return
            if asyncio.current_task(loop) is not code.task:
                # Another callback blocks the loop: it is interrupted too, because the coroutine cannot run before.
                loop.call_soon_threadsafe(code.interrupt, SoftTimeLimitExceeded(*error.args))
            raise error

        try:
            with soft_time_limit.interrupt_with(interrupt):
                _run_until_done(loop, code.task)
        finally:
            # Not in a process that the code has forked: the loop belongs to its parent.
            if os.getpid() == self._pid:
                self._tidy(loop)
        return code.task.result()

    def _sound_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        # A loop whose executor was shut down cannot start threads again, so it is replaced.
        if loop is not None and getattr(loop, "_executor_shutdown_called", False):
            loop.close()
        return asyncio.SelectorEventLoop() if loop is None or loop.is_closed() else loop

    def _tidy(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.is_closed() or not (left := asyncio.all_tasks(loop)):
            return
        try:
            _run_until_done(loop, loop.create_task(_cancel(left)))
        except BaseException:  # noqa: BLE001 the attempt's code has ended, so this error must not become its result
            _log.exception("an asyncio task that a task left behind failed when it was cancelled")
        if not all(task.done() for task in left):
            # Otherwise they would continue to run during the next attempt, which may be another tenant's.
            _log.error("an asyncio task that a task left behind ignores its cancel: it is abandoned with its loop")
            self._abandoned += (loop, *left)
            self._loop = None
            loop.close()


def _run_until_done(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Run the loop until the task has ended, even if code stops the loop."""
    task.add_done_callback(lambda _: loop.stop())
    while not task.done():
        loop.run_forever()


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks, timeout=_GRACE)


def _runs_a_callback(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code is _RUNS_A_CALLBACK:
            return True
        frame = frame.f_back
    return False
