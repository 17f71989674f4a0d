"""Tell the channel how many tickets the worker can start now, and wake Celery's loop when a slot becomes free."""

import contextlib
import os
from concurrent.futures import Future
from typing import Any, Final, Protocol

from celery.bootsteps import StartStopStep
from celery.worker import state

_TASKS: Final = "celery.worker.consumer.tasks:Tasks"


class _CeleryConsumer(Protocol):
    """The attributes of ``celery.worker.consumer.Consumer`` that are used here."""

    task_consumer: Any
    controller: Any
    pool: Any
    hub: Any


class WorkerCapacity(StartStopStep):
    """A bootstep of the worker's consumer. After each connection to Redis it connects the ring channel to the pool."""

    requires = (_TASKS,)
    _wake: int | None = None

    def start(self, parent: _CeleryConsumer) -> None:
        """Give the consumer's channel a function that counts free slots."""
        parent.task_consumer.channel.free_slots = lambda: _free_slots(parent)
        if hasattr(parent.pool, "executor"):
            if self._wake is None:
                self._wake = wake_on_job_end(parent.pool.executor)
            parent.hub.add_reader(self._wake, drain_wakeups, self._wake)


def _free_slots(consumer: _CeleryConsumer) -> int:
    if _is_stopping():
        return 0
    # The same bound as in Celery, where worker_disable_prefetch stops the consumer (celery/worker/consumer/tasks.py).
    slots = getattr(consumer.controller, "max_concurrency", None) or consumer.pool.num_processes
    return max(0, int(slots) - len(state.reserved_requests))


def wake_on_job_end(executor: Any) -> int:
    """Return a file descriptor that becomes readable when a job on one of the threads has ended.

    Celery's loop takes no ticket while all slots are busy. It notices when a child process has finished a job, but not
    when a thread has: it would take the next tickets only with its next timer, up to a second later.
    """
    wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    submit = executor.submit

    def submit_and_wake(*call: Any) -> "Future[Any]":
        job: Future[Any] = submit(*call)
        # Added after Celery's own callback, which frees the slot, so the loop finds it free.
        job.add_done_callback(lambda _: os.eventfd_write(wake, 1))
        return job

    executor.submit = submit_and_wake
    return wake


def drain_wakeups(wake: int) -> None:
    """Empty the descriptor, so that the next end makes it readable again."""
    with contextlib.suppress(BlockingIOError):
        os.eventfd_read(wake)


def _is_stopping() -> bool:
    # The event loop runs once more after a SIGTERM, and the pool loses jobs that it gets then. The flags are exit codes
    # (celery/worker/state.py, maybe_shutdown), and 0 is one of them: only None and False mean "go on".
    flags = (state.should_stop, state.should_terminate)
    return any(flag is not None and flag is not False for flag in flags)
