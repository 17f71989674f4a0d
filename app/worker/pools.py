"""The two kinds of worker: a pool of child processes, and one process whose loop runs everything."""

import ctypes
import logging
import os
import signal
import time
from collections.abc import Collection
from concurrent.futures import Future
from typing import Final, Protocol
from uuid import UUID, uuid4

from billiard import current_process

from app.broker.ring import ASYNCIO, PREFORK
from app.broker.ticket_consumer import TicketConsumer
from app.core.config import get_settings
from app.worker import endings, heartbeat, process_tree
from app.worker.aio import emergency_finish, process_restart, task_ownership
from app.worker.aio.loop_watchdog import Holder, LoopWatchdog
from app.worker.aio.pool import AsyncioPool
from app.worker.cancellation_poller import CancellationPoller
from app.worker.prefork import process_kill, stall_detector
from app.worker.prefork.child import Slot
from app.worker.prefork.drain import drain
from app.worker.prefork.shared_attempts import ChildAttempts, SharedAttempts
from app.worker.prefork.supervisor import Supervisor
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
# For the ends that are written when a loop stands still.
_WRITE_SECONDS: Final = 10.0


class Pool(Protocol):
    """What Celery's signals and the job need of a worker."""

    def begin(self, queues: Collection[str]) -> None:
        """Begin the duties of the main process: heartbeat, and the ends that come from outside."""

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Run what a tenant's ticket tells of."""

    def drain(self, seconds: float) -> None:
        """Begin to stop, from a signal's handler: Celery takes no more tickets."""

    def close(self) -> None:
        """End the main process's duties, and say goodbye."""


class Prefork:
    """Children that run one attempt each; the main process watches them."""

    def __init__(self, slots: int) -> None:
        """Before the fork."""
        self._worker_id = uuid4()
        self._main_pid = os.getpid()
        self._shared_attempts = SharedAttempts(slots)
        self._runtime: Runtime | None = None
        self._slot: Slot

    def join(self, index: int, queues: Collection[str]) -> None:
        """Become the pool's child of this index, after the fork; ``queues`` are what the worker consumes."""
        # A child that outlived its main process would run on unwatched, beside the attempt that follows.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._main_pid:
            # It has died between the fork and now, of which nothing is told.
            os._exit(1)
        # What its code starts is its own, and ends with the attempt (app/worker/process_tree.py).
        process_tree.adopt()
        # Code may start processes itself: of multiprocessing's rule for daemons only this would be left.
        current_process().daemon = False
        child_attempts = ChildAttempts(self._shared_attempts, index)
        self._runtime = Runtime(connections=1)
        self._runtime.on_duty(turn=child_attempts.turn)
        self._slot = Slot(self._runtime, child_attempts, TicketConsumer(self._runtime.redis, queues), self._worker_id)

    def begin(self, queues: Collection[str]) -> None:  # noqa: ARG002 its children take
        """Supervise and beat, on a thread that no child inherits."""
        process_tree.adopt()
        runtime = self._runtime = Runtime(connections=2)
        supervisor = Supervisor(runtime, self._shared_attempts, pool=PREFORK)
        runtime.on_duty(
            heartbeat=lambda: heartbeat.beat(
                runtime.database,
                self._shared_attempts.attempts,
                self._worker_id,
                pool=PREFORK,
                slots=self._responsive_slots,
            ),
            supervisor=lambda: supervisor.run(get_settings().redis_url),
        )

    def _responsive_slots(self) -> int:
        now = time.monotonic()
        children = self._shared_attempts.children()
        return sum(stall_detector.turns(child, now) and not process_kill.is_gone(child.pid) for child in children)

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Let the tenant have its turn in this child."""
        self._slot.serve(tenant_id, pool)

    def drain(self, seconds: float) -> None:
        """Give the children's attempts so long, then take them away."""
        if self._runtime is not None:
            self._runtime.start(drain(self._runtime, self._shared_attempts, pool=PREFORK, seconds=seconds))

    def close(self) -> None:
        """Close this process's connections; a child's, or the main process's."""
        if self._runtime is not None:
            self._runtime.close()


class Asyncio:
    """One process: Celery's threads take tickets, one loop claims and runs, and a thread watches that loop."""

    def __init__(self, capacity: int) -> None:
        """``capacity`` attempts at most run at once."""
        self._worker_id = uuid4()
        self._capacity = capacity
        self._drained: Future[None] | None = None
        self._asyncio_pool: AsyncioPool | None = None
        # Of SIGTERM: what the process sends itself is no wish of the operator's.
        self._is_restarting = self._is_stopping = False

    def begin(self, queues: Collection[str]) -> None:
        """Start the loop that runs the tasks, and one of its own for what must never wait for a task's code."""
        process_tree.adopt()
        self._runtime, self._aside = (
            Runtime(connections=3, task_factory=task_ownership.make_task),
            Runtime(connections=1),
        )
        aside = self._aside.database
        self._asyncio_pool = pool = AsyncioPool(
            self._runtime,
            TicketConsumer(self._runtime.redis, queues),
            self._worker_id,
            capacity=self._capacity,
            on_worn_out=self._drain_and_restart,
        )
        cancellation_poller = CancellationPoller(self._runtime.database, pool.in_hand, pool.tell)
        self._runtime.on_duty(
            turn=self._runtime.turn,
            cancellation_poller=lambda: cancellation_poller.run(get_settings().redis_url),
            cancel_what_was_given_up=pool.cancel_what_was_given_up,
        )
        self._loop_watchdog = LoopWatchdog(self._runtime, self._end_process, self._is_overdue)
        self._aside.on_duty(
            heartbeat=lambda: heartbeat.beat(
                aside, pool.in_hand, self._worker_id, pool=ASYNCIO, slots=self._responsive_slots
            )
        )

    def _responsive_slots(self) -> int:
        return self._capacity if self._loop_watchdog.turns() else 0

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim for the tenant; what is claimed runs on when this returns."""
        if pool != ASYNCIO:
            _log.error("a worker of the asyncio pool takes from tenants.io only: start it with -Q tenants.io")
        elif self._asyncio_pool is not None:
            self._asyncio_pool.serve(tenant_id)

    def drain(self, seconds: float) -> None:
        """Give what runs so long, then take it away."""
        self._is_stopping = not self._is_restarting or self._drained is not None
        if self._asyncio_pool is not None:
            self._drained = self._runtime.start(self._asyncio_pool.drain(seconds))

    def close(self) -> None:
        """Wait for the drain, then close the connections."""
        if self._drained is not None:
            self._drained.result()
        if self._asyncio_pool is not None:
            self._runtime.close()
            self._loop_watchdog.close()
            self._aside.close()
        if self._is_restarting and not self._is_stopping:
            process_restart.restart()

    def _is_overdue(self, holder: Holder) -> bool:
        blocking = self._asyncio_pool.run_by(holder) if self._asyncio_pool else None
        return blocking is not None and blocking.is_overdue()

    def _drain_and_restart(self) -> None:
        _log.error("much code goes on although it was cancelled: the worker drains, and starts again")
        self._is_restarting = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _end_process(self, holder: Holder) -> None:
        """Write all ends beside the loop that stands still, then start again, or end where that was asked for."""
        assert self._asyncio_pool is not None  # noqa: S101 it has begun
        self._asyncio_pool.stop_claiming()
        in_hand, blocking = self._asyncio_pool.in_hand(), self._asyncio_pool.run_by(holder)
        _log.error(
            "the event loop stood still: the process ends",
            extra=(endings.names(blocking) if blocking else {}) | {"attempts": len(in_hand)},
        )
        try:
            self._aside.start(emergency_finish.write(self._aside, in_hand, blocking)).result(_WRITE_SECONDS)
            self._aside.close()
        except Exception:  # noqa: BLE001 logged; what is not written is found lost
            _log.exception("not all ends were written before the process ended")
        if self._is_stopping:
            os._exit(1)
        process_restart.restart()
