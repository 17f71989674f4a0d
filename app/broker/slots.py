"""How many tickets a worker can start right now: what its channel may take at once, and when there is room again."""

import contextlib
import os
from concurrent.futures import Future
from typing import Any, Final, Protocol

from celery.bootsteps import StartStopStep
from celery.worker import state

_TASKS: Final = "celery.worker.consumer.tasks:Tasks"


class _Worker(Protocol):
    """What is used of ``celery.worker.consumer.Consumer``."""

    task_consumer: Any
    controller: Any
    pool: Any
    hub: Any


class FreeSlots(StartStopStep):
    """A step of the worker's consumer: tell the ring channel about the pool, anew after each reconnection."""

    requires = (_TASKS,)
    _wake: int | None = None

    def start(self, parent: _Worker) -> None:
        """Give the consumer's channel its count of free slots."""
        parent.task_consumer.channel.free_slots = lambda: _free_slots(parent)
        if hasattr(parent.pool, "executor"):
            if self._wake is None:
                self._wake = let_ends_wake(parent.pool.executor)
            parent.hub.add_reader(self._wake, hear, self._wake)


def _free_slots(worker: _Worker) -> int:
    if _is_stopping():
        return 0
    # The bound by which worker_disable_prefetch stops a consumer (celery/worker/consumer/tasks.py).
    slots = getattr(worker.controller, "max_concurrency", None) or worker.pool.num_processes
    return max(0, int(slots) - len(state.reserved_requests))


def let_ends_wake(executor: Any) -> int:
    """Return a descriptor that can be read when a job on one of the threads has ended.

    Celery's loop takes no ticket while all slots are busy, and hears of its child processes' ends by itself. Of threads
    it hears nothing: with all of them busy it would take the next tickets with its next timer, up to a second later.
    """
    wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    submit = executor.submit

    def submit_and_wake(*call: Any) -> "Future[Any]":
        job: Future[Any] = submit(*call)
        # After the job and Celery's own callbacks, which give the slot back.
        job.add_done_callback(lambda _: os.eventfd_write(wake, 1))
        return job

    executor.submit = submit_and_wake
    return wake


def hear(wake: int) -> None:
    """Read the descriptor empty."""
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(wake)


def _is_stopping() -> bool:
    # The event loop turns once more after a SIGTERM, and the pool forgets what it is given then. The flags
    # are exit codes (celery/worker/state.py, maybe_shutdown): 0 is one.
    flags = (state.should_stop, state.should_terminate)
    return any(flag is not None and flag is not False for flag in flags)
