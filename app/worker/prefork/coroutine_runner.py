"""Run ``async def`` tasks on a child's main thread, one after the other, on an event loop of their own.

The runtime, which claims and writes ends, has another loop. So claims and ends continue whatever the code does to its
loop (block, stop or close it, cancel all its tasks, leave some behind), and the time limit's signal reaches the code.
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
    """Runs coroutines on this thread. The loop is kept, so that a module's connections on it stay usable."""

    def __init__(self) -> None:
        """The loop is made when it is first needed."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        # Never let go: code that goes on whatever is raised would do so in its destructor too, for ever, on the thread
        # on which the garbage collector happens to run.
        self._abandoned: list[object] = []

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, and cancel what it leaves behind; raises what it raises."""
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
                _turn(loop, code.task)
        finally:
            # Not in a child that the code has forked.
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
            _turn(loop, loop.create_task(_cancel(left)))
        except BaseException:  # noqa: BLE001 logged; of no use to the attempt, whose code has ended
            _log.exception("what a task has left behind failed")
        if not all(task.done() for task in left):
            # They would continue to run during the next attempt.
            _log.error("what a task has left behind continues after it was cancelled: it is abandoned")
            self._abandoned += (loop, *left)
            self._loop = None
            loop.close()


def _turn(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
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
