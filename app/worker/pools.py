"""The two kinds of worker: a pool of child processes, and one process whose loop runs everything."""

import ctypes
import logging
import os
import signal
from collections.abc import Awaitable, Callable, Collection
from concurrent.futures import Future
from typing import Final, Protocol
from uuid import UUID, uuid4

from app.broker.line import Line
from app.broker.ring import ASYNCIO, PREFORK
from app.core.config import get_settings
from app.core.duty import keep_running
from app.worker import heartbeat
from app.worker.board import Board, Hand
from app.worker.crew import Crew
from app.worker.drain import drain
from app.worker.inquiry import Inquiry
from app.worker.runtime import Runtime
from app.worker.slot import Slot
from app.worker.watch import Watch

_log = logging.getLogger(__name__)

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


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
        self._slots = slots
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
        hand = Hand(self._board, index)
        self._runtime = Runtime(connections=1)
        self._slot = Slot(self._runtime, hand, Line(self._runtime.redis, queues), self._worker_id)

    def begin(self, queues: Collection[str]) -> None:  # noqa: ARG002 its children take
        """Watch and beat, on a thread that no child inherits."""
        runtime = self._runtime = Runtime(connections=2)
        watch = Watch(runtime, self._board, pool=PREFORK)
        _on_duty(
            runtime,
            heartbeat=lambda: heartbeat.beat(
                runtime.database, self._board.attempts, self._worker_id, pool=PREFORK, slots=self._slots
            ),
            watch=lambda: watch.run(get_settings().redis_url),
        )

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
    """One process: Celery's threads take tickets, one loop claims and runs."""

    def __init__(self, capacity: int) -> None:
        """``capacity`` attempts at most run at once."""
        self._worker_id = uuid4()
        self._capacity = capacity
        self._drained: Future[None] | None = None
        self._crew: Crew | None = None

    def begin(self, queues: Collection[str]) -> None:
        """Start the loop that runs the tasks, and one of its own for what must never wait for a task's code."""
        self._runtime, self._aside = Runtime(connections=3), Runtime(connections=1)
        aside = self._aside.database
        crew = self._crew = Crew(
            self._runtime, Line(self._runtime.redis, queues), self._worker_id, capacity=self._capacity
        )
        inquiry = Inquiry(self._runtime.database, crew.in_hand, crew.tell)
        _on_duty(self._runtime, inquiry=lambda: inquiry.run(get_settings().redis_url))
        _on_duty(
            self._aside,
            heartbeat=lambda: heartbeat.beat(aside, crew.in_hand, self._worker_id, pool=ASYNCIO, slots=self._capacity),
        )

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim for the tenant; what is claimed runs on when this returns."""
        if pool != ASYNCIO:
            _log.error("a worker of the asyncio pool takes from tenants.io only: start it with -Q tenants.io")
        elif self._crew is not None:
            self._crew.serve(tenant_id)

    def drain(self, seconds: float) -> None:
        """Give what runs so long, then take it away."""
        if self._crew is not None:
            self._drained = self._runtime.start(self._crew.drain(seconds))

    def close(self) -> None:
        """Wait for the drain, then close the connections."""
        if self._drained is not None:
            self._drained.result()
        if self._crew is not None:
            self._runtime.close()
            self._aside.close()


def _on_duty(runtime: Runtime, **duties: Callable[[], Awaitable[None]]) -> None:
    for name, duty in duties.items():
        # A worker that does not beat loses all that it runs, and one that does not watch ends nothing: begin again.
        runtime.start(keep_running(name, duty))
