"""A worker of the prefork pool: the main process and its children, as Celery's signals start and stop them."""

import ctypes
import os
import signal
import time
from collections.abc import Collection
from typing import Final
from uuid import UUID, uuid4

from billiard import current_process

from app.broker.ring import PREFORK
from app.broker.ticket_consumer import TicketConsumer
from app.core.config import get_settings
from app.metrics import serving
from app.worker import fork_signals, heartbeat, process_tree
from app.worker.prefork import process_kill, stall_detector
from app.worker.prefork.child import ChildRunner
from app.worker.prefork.child_counts import ChildCounts
from app.worker.prefork.drain import drain
from app.worker.prefork.shared_attempts import ChildAttempts, SharedAttempts
from app.worker.prefork.supervisor import Supervisor
from app.worker.runtime import Runtime

_PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h


class PreforkWorker:
    """The main process and its children. Each child runs one attempt at a time."""

    def __init__(self, slots: int) -> None:
        """``slots`` is the number of children. Create it before the fork: the children inherit the shared memory."""
        self._worker_id = uuid4()
        self._main_pid = os.getpid()
        self._shared_attempts = SharedAttempts(slots)
        self._child_counts = ChildCounts() if serving.is_on() else None
        self._runtime: Runtime | None = None
        self._child_runner: ChildRunner

    def join(self, index: int, queues: Collection[str]) -> None:
        """Become the pool's child of this index. Called after the fork; the worker consumes ``queues``."""
        # The kernel kills this child if the main process dies: otherwise the code would run on, unwatched, while
        # another worker runs the next attempt of the same task.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != self._main_pid:
            # The main process died between the fork and the prctl: the kernel sends no signal for that.
            os._exit(1)
        # This child becomes the parent of all processes that a task starts; they end with the attempt
        # (app/worker/process_tree.py).
        process_tree.adopt()
        fork_signals.reset_in_forks()
        # Tasks may use multiprocessing, which forbids daemonic processes to have children.
        current_process().daemon = False
        child_attempts = ChildAttempts(self._shared_attempts, index)
        # One connection is enough: ends share statements. A machine may have many children, and Postgres few places.
        self._runtime = Runtime(connections=1)
        self._runtime.on_duty(mark_alive=child_attempts.mark_alive)
        if (counts := self._child_counts) is not None:
            tally = serving.count_in_child()
            self._runtime.on_duty(send_counts=lambda: counts.send_from(tally))
        self._child_runner = ChildRunner(
            self._runtime, child_attempts, TicketConsumer(self._runtime.redis, queues), self._worker_id
        )

    def begin(self, queues: Collection[str]) -> None:  # noqa: ARG002 the children consume them
        """Start the supervisor and the heartbeat in the main process, on a thread that no child inherits."""
        process_tree.adopt()
        # Two connections, so that a slow end of an attempt does not delay the heartbeat.
        runtime = self._runtime = Runtime(connections=2)
        supervisor = Supervisor(runtime, self._shared_attempts, pool=PREFORK)
        counts, tally = self._child_counts, serving.start("worker")
        if counts is not None and tally is not None:
            runtime.on_duty(receive_counts=lambda: counts.receive_into(tally))
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
        return sum(
            stall_detector.is_responsive(child, now) and not process_kill.is_gone(child.pid) for child in children
        )

    def serve(self, tenant_id: UUID, pool: str) -> None:
        """Claim and run the tenant's due tasks in this child."""
        self._child_runner.serve(tenant_id, pool)

    def drain(self, seconds: float) -> None:
        """Let the children's attempts run for up to ``seconds``, then give back those that still run."""
        if self._runtime is not None:
            self._runtime.start(drain(self._runtime, self._shared_attempts, pool=PREFORK, seconds=seconds))

    def close(self) -> None:
        """Close the connections of this process, child or main process."""
        if self._runtime is not None:
            self._runtime.close()
