"""Running the code of one attempt. No transaction is open meanwhile."""

import logging
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, Final

from app.core import backoff, crash
from app.db import Database
from app.tasks import lifecycle, store, types
from app.tasks.context import Progress, TaskCancelled, TaskContext
from app.tasks.lifecycle import Claim, Outcome
from app.tenants import plans
from app.worker import outcomes, time_limit
from app.worker.progress import ProgressReporter
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)

# Seconds before a task whose type this worker lacks is offered again, to another worker; longer each time.
_UNKNOWN_TYPE_DELAY: Final = 5.0
_UNKNOWN_TYPE_MAX_DELAY: Final = 300.0


class _TaskLog(logging.LoggerAdapter[logging.Logger]):
    """A task's log: names its tenant and task, beside what the code adds."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        kwargs["extra"] = {**(kwargs.get("extra") or {}), **(self.extra or {})}
        return msg, kwargs


@dataclass(frozen=True, slots=True)
class Ran:
    """How the code of an attempt ended, and the progress it reported last."""

    outcome: Outcome
    progress: Progress | None


def run(runtime: Runtime, claim: Claim, is_cancel_requested: Callable[[], bool]) -> Ran:
    """Run the code of a claimed attempt to its end, which is not written yet."""
    reporter = ProgressReporter(lambda progress: _store_progress(runtime, claim, progress))
    crash.point("worker.before_run")
    outcome = _run(runtime, claim, _context(claim, reporter, is_cancel_requested))
    crash.point("worker.after_run")
    return Ran(outcome, reporter.take())


def _run(runtime: Runtime, claim: Claim, context: TaskContext) -> Outcome:
    task_type = types.find(claim.task)
    if task_type is None:
        _log.error("a task of a type that this worker lacks: see TASK_MODULES", extra={"task": claim.task})
        delay = backoff.delay(claim.attempt, factor=_UNKNOWN_TYPE_DELAY, maximum=_UNKNOWN_TYPE_MAX_DELAY, jitter=False)
        return outcomes.returned(delay)
    try:
        payload = task_type.payload.model_validate(claim.payload)
        returned = _call(runtime, task_type, payload, context, claim)
    except TaskCancelled as error:
        return lifecycle.revoked() if context.cancel_requested else outcomes.failure(task_type, claim, error)
    except (MemoryError, RecursionError) as error:
        return outcomes.failure(task_type, claim, outcomes.TaskCrashed(type(error).__name__))
    except Exception as error:  # noqa: BLE001 the tenant's failure, not ours
        return outcomes.failure(task_type, claim, error)
    except BaseException as error:  # noqa: BLE001 nothing may escape into Celery: it would end the worker
        return outcomes.failure(task_type, claim, outcomes.TaskCrashed(type(error).__name__))
    return outcomes.success(task_type, returned, _max_result_bytes(claim))


def _max_result_bytes(claim: Claim) -> int:
    return plans.PLANS[claim.plan].result_bytes if claim.result_bytes is None else claim.result_bytes


def _call(runtime: Runtime, task_type: types.TaskType, payload: Any, context: TaskContext, claim: Claim) -> Any:
    with time_limit.soft(_soft_limit(task_type, claim)):
        if task_type.is_async:
            return runtime.run(task_type.function(payload, context))
        return task_type.function(payload, context)


def _soft_limit(task_type: types.TaskType, claim: Claim) -> float:
    # The hard limit is armed too: it ends code that the main process would otherwise have to kill.
    return min(claim.time_limit_seconds, task_type.soft_time_limit or claim.time_limit_seconds)


def _context(claim: Claim, reporter: ProgressReporter, is_cancel_requested: Callable[[], bool]) -> TaskContext:
    log = logging.getLogger(f"task.{claim.task}")
    return TaskContext(
        tenant_id=claim.tenant_id,
        task_id=claim.task_id,
        attempt=claim.attempt,
        deadline=claim.deadline_at,
        report=reporter.report,
        is_cancel_requested=is_cancel_requested,
        log=_TaskLog(log, {"tenant_id": str(claim.tenant_id), "task_id": str(claim.task_id)}),
    )


def _store_progress(runtime: Runtime, claim: Claim, progress: Progress) -> None:
    runtime.start(_write_progress(runtime.database, claim, progress))


async def _write_progress(database: Database, claim: Claim, progress: Progress) -> None:
    try:
        async with database.transaction(claim.tenant_id) as connection:
            await store.report_progress(
                connection, claim.tenant_id, claim.task_id, claim_token=claim.claim_token, progress=progress
            )
    except Exception:  # noqa: BLE001 progress is a courtesy; the finish writes the last one
        _log.debug("progress not stored", exc_info=True)
