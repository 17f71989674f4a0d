"""A worker of the asyncio pool, as Celery's signals start and stop it."""

import logging
import os
import signal
from collections.abc import Collection
from concurrent.futures import Future
from typing import Final
from uuid import UUID, uuid4

from app.broker.ring import ASYNCIO
from app.broker.ticket_consumer import TicketConsumer
from app.core.config import get_settings
from app.tasks.run import after_commit
from app.worker import fork_signals, heartbeat, process_tree
from app.worker.aio import emergency_finish, process_restart, task_ownership
from app.worker.aio.loop_watchdog import Holder, LoopWatchdog
from app.worker.aio.pool import AsyncioPool
from app.worker.cancellation_poller import CancellationPoller
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Seconds for writing the ends when the loop is blocked.
_WRITE_SECONDS: Final = 10.0


class AsyncioWorker:
    """One process: Celery's threads take tickets, one event loop claims and runs, and one thread watches that loop."""

    def __init__(self, capacity: int, *, pool: str = ASYNCIO, role: str = "tq_worker") -> None:
        """At most ``capacity`` attempts of the pool run at once. The process logs in to Postgres as ``role``."""
        self._pool, self._role = pool, role
        self._worker_id = uuid4()
        self._capacity = capacity
        self._drained: Future[None] | None = None
        self._asyncio_pool: AsyncioPool | None = None
        # Two flags, because a SIGTERM that the process sends itself must restart the worker and not stop it for good.
        self._is_restarting = self._is_stopping = False

    def begin(self, queues: Collection[str]) -> None:
        """Start the loop that runs the tasks, and a second one for work that must go on while a task blocks it."""
        process_tree.adopt()
        fork_signals.reset_in_forks()
        self._runtime, self._aside = (
            Runtime(connections=3, role=self._role, task_factory=task_ownership.make_task),
            Runtime(connections=1, role=self._role),
        )
        aside = self._aside.database
        self._asyncio_pool = pool = AsyncioPool(
            self._runtime,
            TicketConsumer(self._runtime.redis, queues),
            self._worker_id,
            pool=self._pool,
            capacity=self._capacity,
            on_worn_out=self._drain_and_restart,
        )
        cancellation_poller = CancellationPoller(self._runtime.database, pool.attempts, pool.tell)
        self._runtime.on_duty(
            mark_alive=self._runtime.mark_alive,
            cancellation_poller=lambda: cancellation_poller.run(get_settings().redis_url),
            cancel_what_was_given_up=pool.cancel_what_was_given_up,
        )
        self._loop_watchdog = LoopWatchdog(self._runtime, self._end_process, self._is_overdue)
        self._aside.on_duty(
            heartbeat=lambda: heartbeat.beat(
                aside, pool.attempts, self._worker_id, pool=self._pool, slots=self._responsive_slots
            )
        )

    def _responsive_slots(self) -> int:
        return self._capacity if self._loop_watchdog.is_responsive() else 0

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim for the tenant; claimed attempts continue to run after this returns."""
        if pool != self._pool:
            _log.error("a worker of the asyncio pool serves tenants.io only: start it with -Q tenants.io")
        elif self._asyncio_pool is not None:
            self._asyncio_pool.serve(tenant_id)

    def consume(self) -> None:
        """Take tickets without Celery, until the worker drains."""
        assert self._asyncio_pool is not None  # noqa: S101 it has begun
        self._runtime.on_duty(consume=self._asyncio_pool.consume)

    @property
    def runtime(self) -> Runtime:
        """The loop that runs the tasks' code, with its connections. It exists once the worker has begun."""
        return self._runtime

    def drain(self, seconds: float) -> None:
        """Let the attempts run for up to ``seconds``, then give them back."""
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
        _log.error("too many asyncio tasks ignore their cancel: the worker drains, then starts again")
        self._is_restarting = True
        os.kill(os.getpid(), signal.SIGTERM)

    def _end_process(self, holder: Holder) -> None:
        """Write all ends from another loop than the blocked one, then restart, or exit if the worker is stopping."""
        assert self._asyncio_pool is not None  # noqa: S101 it has begun
        # The loop may go on at any moment, and must not claim attempts whose ends nobody would write.
        self._asyncio_pool.stop_claiming()
        attempts, blocking = self._asyncio_pool.attempts(), self._asyncio_pool.run_by(holder)
        _log.error(
            "the event loop stood still: the process ends",
            extra=(after_commit.names(blocking) if blocking else {}) | {"attempts": len(attempts)},
        )
        try:
            self._aside.start(emergency_finish.write(self._aside, attempts, blocking, pool=self._pool)).result(
                _WRITE_SECONDS
            )
            self._aside.close()
        except Exception:  # noqa: BLE001 the dispatcher will end the others as lost
            _log.exception("cannot write all ends before the process ends: the dispatcher will end the others as lost")
        if self._is_stopping:
            os._exit(1)
        process_restart.restart()
