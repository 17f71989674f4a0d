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
from app.tasks.run import after_commit
from app.worker import aftermath, descendants, heartbeat, restart, stillness, termination
from app.worker.board import Board, Hand
from app.worker.crew import Crew
from app.worker.drain import drain
from app.worker.inquiry import Inquiry
from app.worker.runtime import Runtime
from app.worker.slot import Slot
from app.worker.standstill import Holder, Standstill
from app.worker.watch import Watch

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
        self._board = Board(slots)
        self._runtime: Runtime | None = None
        self._slot: Slot

    def join(self, index: int, queues: Collection[str]) -> None:
        """Become the pool's child of this index, after the fork; ``queues`` are what the worker consumes."""
        # A child that outlived its main process would run on unwatched, beside the attempt that follows.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._main_pid:
            # It has died between the fork and now, of which nothing is told.
            os._exit(1)
        # What its code starts is its own, and ends with the attempt (app/worker/descendants.py).
        descendants.adopt()
        # Code may start processes itself: of multiprocessing's rule for daemons only this would be left.
        current_process().daemon = False
        hand = Hand(self._board, index)
        self._runtime = Runtime(connections=1)
        self._runtime.on_duty(turn=hand.turn)
        self._slot = Slot(self._runtime, hand, TicketConsumer(self._runtime.redis, queues), self._worker_id)

    def begin(self, queues: Collection[str]) -> None:  # noqa: ARG002 its children take
        """Watch and beat, on a thread that no child inherits."""
        descendants.adopt()
        runtime = self._runtime = Runtime(connections=2)
        watch = Watch(runtime, self._board, pool=PREFORK)
        runtime.on_duty(
            heartbeat=lambda: heartbeat.beat(
                runtime.database, self._board.attempts, self._worker_id, pool=PREFORK, slots=self._turning
            ),
            watch=lambda: watch.run(get_settings().redis_url),
        )

    def _turning(self) -> int:
        now = time.monotonic()
        children = self._board.children()
        return sum(stillness.turns(child, now) and not termination.is_gone(child.pid) for child in children)

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Let the tenant have its turn in this child."""
        self._slot.serve(tenant_id, pool)

    def drain(self, seconds: float) -> None:
        """Give the children's attempts so long, then take them away."""
        if self._runtime is not None:
            self._runtime.start(drain(self._runtime, self._board, pool=PREFORK, seconds=seconds))

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
        self._crew: Crew | None = None
        # Of SIGTERM: what the process sends itself is no wish of the operator's.
        self._is_restarting = self._is_stopping = False

    def begin(self, queues: Collection[str]) -> None:
        """Start the loop that runs the tasks, and one of its own for what must never wait for a task's code."""
        descendants.adopt()
        self._runtime, self._aside = Runtime(connections=3, runs_code=True), Runtime(connections=1)
        aside = self._aside.database
        self._crew = crew = Crew(
            self._runtime,
            TicketConsumer(self._runtime.redis, queues),
            self._worker_id,
            capacity=self._capacity,
            wear_out=self._drain_and_restart,
        )
        inquiry = Inquiry(self._runtime.database, crew.in_hand, crew.tell)
        self._runtime.on_duty(
            turn=self._runtime.turn,
            inquiry=lambda: inquiry.run(get_settings().redis_url),
            cancel_what_was_given_up=crew.cancel_what_was_given_up,
        )
        self._standstill = Standstill(self._runtime, self._end_process, self._is_overdue)
        self._aside.on_duty(
            heartbeat=lambda: heartbeat.beat(aside, crew.in_hand, self._worker_id, pool=ASYNCIO, slots=self._turning)
        )

    def _turning(self) -> int:
        return self._capacity if self._standstill.turns() else 0

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim for the tenant; what is claimed runs on when this returns."""
        if pool != ASYNCIO:
            _log.error("a worker of the asyncio pool takes from tenants.io only: start it with -Q tenants.io")
        elif self._crew is not None:
            self._crew.serve(tenant_id)

    def drain(self, seconds: float) -> None:
        """Give what runs so long, then take it away."""
        self._is_stopping = not self._is_restarting or self._drained is not None
        if self._crew is not None:
            self._drained = self._runtime.start(self._crew.drain(seconds))

    def close(self) -> None:
        """Wait for the drain, then close the connections."""
        if self._drained is not None:
            self._drained.result()
        if self._crew is not None:
            self._runtime.close()
            self._standstill.close()
            self._aside.close()
        if self._is_restarting and not self._is_stopping:
            restart.begin_again()

    def _is_overdue(self, holder: Holder) -> bool:
        blocking = self._crew.run_by(holder) if self._crew else None
        return blocking is not None and blocking.is_overdue()

    def _drain_and_restart(self) -> None:
        _log.error("much code goes on although it was cancelled: the worker drains, and starts again")
        self._is_restarting = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _end_process(self, holder: Holder) -> None:
        """Write all ends beside the loop that stands still, then start again, or end where that was asked for."""
        assert self._crew is not None  # noqa: S101 it has begun
        self._crew.stop_claiming()
        in_hand, blocking = self._crew.in_hand(), self._crew.run_by(holder)
        _log.error(
            "the event loop stood still: the process ends",
            extra=(after_commit.names(blocking) if blocking else {}) | {"attempts": len(in_hand)},
        )
        try:
            self._aside.start(aftermath.write(self._aside, in_hand, blocking)).result(_WRITE_SECONDS)
            self._aside.close()
        except Exception:  # noqa: BLE001 logged; what is not written is found lost
            _log.exception("not all ends were written before the process ended")
        if self._is_stopping:
            os._exit(1)
        restart.begin_again()
