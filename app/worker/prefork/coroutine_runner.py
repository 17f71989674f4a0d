"""The event loop on which a child's main thread runs ``async def`` tasks, one after the other.

It is not the runtime's, which claims and writes ends: whatever code does to its loop (block, stop or close it, cancel
all its tasks, leave some behind), claims and ends go on, and the time limit's signal reaches the code.
"""

import asyncio
import logging
import os
from asyncio.events import Handle
from collections.abc import Coroutine
from types import FrameType
from typing import Any, Final, TypeVar

from app.tasks.context import SoftTimeLimitExceeded
from app.worker.coroutine_interrupt import InterruptibleCoroutine
from app.worker.prefork import soft_time_limit

T = TypeVar("T")

_log = logging.getLogger(__name__)

# Seconds for tasks that the code has left behind to end once they are cancelled.
_GRACE: Final = 1.0
_RUNS_A_CALLBACK: Final = Handle._run.__code__  # noqa: SLF001 the one frame below which a loop's callbacks run


class CoroutineRunner:
    """Runs coroutines on this thread. The loop is kept, so that what a module holds open on it lives on."""

    def __init__(self) -> None:
        """The loop is made when it is first needed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and cancel what it leaves behind; raises what it raises."""
        loop = self._loop = self._sound_loop()
        code = InterruptibleCoroutine(coroutine, loop)

        def interrupt(error: SoftTimeLimitExceeded, frame: FrameType | None) -> None:
            if not _runs_a_callback(frame):
                # It waits: the coroutine is told where it does.
                loop.call_soon_threadsafe(code.interrupt, error)
                return
            if asyncio.current_task(loop) is not code.task:
                # Code beside the coroutine blocks the loop: it is ended too, for the coroutine to be reached.
                loop.call_soon_threadsafe(code.interrupt, SoftTimeLimitExceeded(*error.args))
            raise error

        try:
            with soft_time_limit.interrupt_with(interrupt):
                _turn(loop, code.task)
        finally:
            # Not in a child that the code has forked.
            if os.getpid() == self._pid:
                self._tidy(loop)
        return code.task.result()

    def _sound_loop(self) -> asyncio.AbstractEventLoop:
        loop = self._loop
        # A loop whose threads are gone gets no others.
        if loop is not None and getattr(loop, "_executor_shutdown_called", False):
            loop.close()
        return asyncio.SelectorEventLoop() if loop is None or loop.is_closed() else loop

    def _tidy(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.is_closed() or not (left := asyncio.all_tasks(loop)):
            return
        try:
            _turn(loop, loop.create_task(_cancel(left)))
        except BaseException:  # noqa: BLE001 logged; of no use to the attempt, whose code has ended
            _log.exception("what a task has left behind failed")
        if not all(task.done() for task in left):
            # They would go on beside the next attempt.
            _log.error("what a task has left behind goes on although it was cancelled: it is given up")
            self._loop = None
            loop.close()


def _turn(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    """Let the loop run until the task has ended, however often somebody stops it."""
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
