"""How many tickets a worker can start right now: what its channel may take at once."""

from typing import Any, Final, Protocol

from celery.bootsteps import StartStopStep
from celery.worker import state

_TASKS: Final = "celery.worker.consumer.tasks:Tasks"


class _Worker(Protocol):
    """What is used of ``celery.worker.consumer.Consumer``."""

    task_consumer: Any
    controller: Any
    pool: Any


class FreeSlots(StartStopStep):
    """A step of the worker's consumer: tell the ring channel about the pool, anew after each reconnection."""

    requires = (_TASKS,)

    def start(self, parent: _Worker) -> None:
        """Give the consumer's channel its count of free slots."""
        parent.task_consumer.channel.free_slots = lambda: _free_slots(parent)


def _free_slots(worker: _Worker) -> int:
    if _is_stopping():
        return 0
    # The bound by which worker_disable_prefetch stops a consumer (celery/worker/consumer/tasks.py).
    slots = getattr(worker.controller, "max_concurrency", None) or worker.pool.num_processes
    return max(0, int(slots) - len(state.reserved_requests))


def _is_stopping() -> bool:
    # The event loop turns once more after a SIGTERM, and the pool forgets what it is given then. The flags
    # are exit codes (celery/worker/state.py, maybe_shutdown): 0 is one.
    flags = (state.should_stop, state.should_terminate)
    return any(flag is not None and flag is not False for flag in flags)
