"""Run the code of one attempt on the main thread of a child."""

import inspect
import logging
import os
from collections.abc import Callable

from app.tasks.run.attempts import Claim
from app.worker import process_tree
from app.worker.executor import Execution, RunResult
from app.worker.prefork import printed_lines, soft_time_limit
from app.worker.prefork.coroutine_runner import CoroutineRunner
from app.worker.runtime import Runtime

_log = logging.getLogger(__name__)


def run(
    runtime: Runtime, coroutines: CoroutineRunner, claim: Claim, is_cancel_requested: Callable[[], bool]
) -> RunResult:
    """Run the code of a claimed attempt to its end on this thread; return its result, which is not written yet.

    Processes that the code started and left behind are killed.
    """
    # The pid tells this process from a fork that the code may have made and that returns here as well.
    execution, pid = Execution(runtime, claim, is_cancel_requested), os.getpid()
    try:
        with printed_lines.captured(execution.printed), soft_time_limit.soft(execution.soft_limit):
            returned = execution.call()
            if inspect.iscoroutine(returned):
                returned = coroutines.run(returned)
    except BaseException as error:  # noqa: BLE001 an error that reached Celery (SystemExit, for example) would end it
        process_tree.leave_if_forked(pid, error)
        ran = execution.raised(error)
    else:
        process_tree.leave_if_forked(pid, None)
        ran = execution.returned(returned)
    if left := process_tree.end_own():
        _log.warning("a task left processes behind: they were killed", extra={"task": claim.task, "processes": left})
    return ran
