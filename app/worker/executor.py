"""Run the code of one attempt. No database transaction is open while it runs."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from app.core import backoff, failpoints, traceparent
from app.db import Database
from app.tasks import store
from app.tasks.definition import payloads, types
from app.tasks.definition.context import Progress, TaskCancelled, TaskContext
from app.tasks.definition.control import PutOff, TaskSnooze
from app.tasks.run import outcomes
from app.tasks.run.attempts import Claim, Outcome
from app.tenants import plans
from app.worker.progress import ProgressReporter
from app.worker.runtime import Runtime
from app.worker.task_log import TaskLog, TaskLogger

_log = logging.getLogger(__name__)

# Seconds before a task of an unknown type is offered again, so that a worker that knows the type can take it. The delay
# doubles each time, up to the maximum: such a task would otherwise keep workers busy with claims.
_UNKNOWN_TYPE_DELAY: Final = 5.0
_UNKNOWN_TYPE_MAX_DELAY: Final = 300.0


@dataclass(frozen=True, slots=True)
class RunResult:
    """The outcome of an attempt's code, its last progress, and its run time in seconds."""

    outcome: Outcome
    progress: Progress | None
    seconds: float
    log: TaskLog | None = None
    """The lines that the code has logged; None without any."""


class Execution:
    """Calls the code of one attempt, and turns its return value or error into a result."""

    def __init__(self, runtime: Runtime, claim: Claim, is_cancel_requested: Callable[[], bool]) -> None:
        """Prepare the call. ``is_cancel_requested`` is called each time the code reads ``context.cancel_requested``."""
        self._claim = claim
        self._task_type = types.find(claim.task)
        self._reporter = ProgressReporter(lambda progress: _store_progress(runtime, claim, progress))
        self._log = TaskLog(runtime, claim)
        self._context = _context(claim, self._reporter, is_cancel_requested, self._log)
        self._began = time.monotonic()

    @property
    def soft_limit(self) -> float:
        """Return the seconds after which the code is interrupted, but may clean up."""
        # Without a soft limit the hard one interrupts, so that code which reacts to it need not be killed.
        limit = self._claim.time_limit_seconds
        return min(limit, (self._task_type and self._task_type.soft_time_limit) or limit)

    def printed(self, line: str) -> None:
        """Log a line that the code has printed."""
        self._context.log.info("%s", line)

    def seconds(self) -> float:
        """Return how long the code has run so far."""
        return time.monotonic() - self._began

    def call(self) -> Any:
        """Call the function; the caller awaits the coroutine of an ``async def``. Raises whatever the code raises."""
        failpoints.hit("worker.before_run")
        # Restarted here: in the asyncio pool an attempt may wait for its turn after ``__init__``.
        self._began = time.monotonic()
        if self._task_type is None:
            raise _UnknownType
        return self._task_type.function(payloads.read(self._task_type, self._claim.payload), self._context)

    def returned(self, value: Any) -> RunResult:
        """Return the result of an attempt whose function returned ``value``."""
        failpoints.hit("worker.after_run")
        assert self._task_type is not None  # noqa: S101 it was called
        return self._ran(outcomes.success(self._task_type, value, _max_result_bytes(self._claim)))

    def raised(self, error: BaseException) -> RunResult:
        """Return the result of an attempt whose function raised ``error``."""
        if self._task_type is None:
            return self._ran(_unknown(self._claim))
        if isinstance(error, TaskCancelled) and self._context.cancel_requested:
            return self._ran(outcomes.revoked())
        if isinstance(error, TaskSnooze):
            return self._ran(outcomes.snoozed(error, self._claim.attempt - 1 - self._claim.failed_attempts))
        if isinstance(error, PutOff):
            return self._ran(outcomes.put_off(error))
        is_crash = isinstance(error, MemoryError | RecursionError) or not isinstance(error, Exception)
        told = outcomes.TaskCrashed(type(error).__name__) if is_crash else error
        return self._ran(outcomes.failure(self._task_type, self._claim, told))

    def ended(self, outcome: Outcome) -> RunResult:
        """Return the result of an attempt that somebody else has ended, with this outcome."""
        return self._ran(outcome)

    def _ran(self, outcome: Outcome) -> RunResult:
        log = self._log if self._log.is_used else None
        return RunResult(outcome, self._reporter.take(), self.seconds(), log)


class _UnknownType(Exception):  # noqa: N818 internal: ``raised`` turns it into a return of the attempt
    """The worker does not know the task's type."""


def _unknown(claim: Claim) -> Outcome:
    _log.error("this worker does not know the task's type: add its module to TASK_MODULES", extra={"task": claim.task})
    delay = backoff.delay(claim.attempt, factor=_UNKNOWN_TYPE_DELAY, maximum=_UNKNOWN_TYPE_MAX_DELAY, jitter=False)
    return outcomes.returned(delay)


def _max_result_bytes(claim: Claim) -> int:
    return plans.effective_limit("result_bytes", claim.plan, claim.result_bytes)


def _context(
    claim: Claim, reporter: ProgressReporter, is_cancel_requested: Callable[[], bool], log: TaskLog
) -> TaskContext:
    return TaskContext(
        tenant_id=claim.tenant_id,
        task_id=claim.task_id,
        attempt=claim.attempt,
        deadline=claim.deadline_at,
        report=reporter.report,
        is_cancel_requested=is_cancel_requested,
        traceparent=claim.traceparent,
        log=TaskLogger(logging.getLogger(f"task.{claim.task}"), _names(claim), log),
    )


def _names(claim: Claim) -> dict[str, object]:
    return {
        "tenant_id": str(claim.tenant_id),
        "task_id": str(claim.task_id),
        "attempt": claim.attempt,
        "trace_id": traceparent.trace_id(claim.traceparent),
    }


def _store_progress(runtime: Runtime, claim: Claim, progress: Progress) -> None:
    runtime.start(_write_progress(runtime.database, claim, progress))


async def _write_progress(database: Database, claim: Claim, progress: Progress) -> None:
    try:
        async with database.transaction(claim.tenant_id) as connection:
            await store.report_progress(
                connection, claim.tenant_id, claim.task_id, claim_token=claim.claim_token, progress=progress
            )
    except Exception:  # noqa: BLE001 progress is best effort; the finish writes the latest one in any case
        _log.debug("progress not stored", exc_info=True)
