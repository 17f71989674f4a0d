"""One task: its attempts over time, why it waits, its log, its payload and result, and what can be done with it."""

import json
from typing import Any, Final

from starlette.responses import Response

from app.console import timeline
from app.console.visit import Visit
from app.core.errors import Unavailable
from app.tasks import submit_calls, task_calls
from app.tasks.definition import types
from app.tasks.read import log_reading
from app.tasks.status import FINAL, Status

_LOG_LINES: Final = 100
SHOWN_BYTES: Final = 65_536
"""The longest payload or result that the page shows; a longer one is cut."""

WAITING: Final = {
    "SCHEDULED": "It is not due yet: it was submitted for a later time.",
    "RETRY_BACKOFF": "An attempt failed, and the time before the next one is not over.",
    "TENANT_CONCURRENCY": "As many of your tasks run as may run at once. It starts when one of them ends.",
    "QUEUE_PAUSED": "The queue is paused. Nothing starts until it is resumed.",
    "SUSPENDED": "The operator has suspended your tenant.",
    "DEPENDENCIES": "It waits for other tasks to end.",
    "NO_WORKER": "No worker is running. It starts when the operator's workers are back.",
    "QUEUED": "It is due, and waits for a free worker.",
}
"""Why a task waits, for people."""


async def show(visit: Visit) -> Response:
    """Show everything about a task."""
    task_id, tenant_id, parts = visit.id_of("task_id", "task"), visit.tenant_id, visit.parts
    async with parts.list_limit.place(tenant_id):
        found = await parts.reading.detail(tenant_id, task_id, with_result=True)
        after = visit.request.query_params.get("after")
        logs = await log_reading.page(
            parts.reader, tenant_id, task_id, after=after, limit=_LOG_LINES, cursor_key=parts.cursor_key
        )
    task = found.task
    return visit.page(
        "task.html",
        task=task,
        is_final=task.status in FINAL,
        is_waiting=task.status in {Status.PENDING, Status.RETRY},
        waiting=WAITING.get(task.waiting_reason or "", ""),
        timeline=timeline.of(task),
        logs=logs,
        more_logs=logs.next_cursor if len(logs.items) == _LOG_LINES else None,
        after=after,
        payload=cut(found.payload),
        result=cut(found.result) if task.status is Status.SUCCESS and found.result else None,
        is_known_type=types.find(task.task) is not None,
        is_telling=any(sent.status == "PENDING" for sent in task.webhooks),
        unfinished=[] if task.status in FINAL else [str(task_id)],
    )


def cut(text: str) -> tuple[str, bool]:
    """Return a JSON text for the page, and whether it is only the beginning."""
    # The page need not show a whole megabyte: the API returns all of it.
    return (text, False) if len(text) <= SHOWN_BYTES else (text[:SHOWN_BYTES], True)


async def cancel(visit: Visit) -> Response:
    """Cancel the task."""
    await visit.form()
    task_id = visit.id_of("task_id", "task")
    await task_calls.cancel_task(visit.principal, visit.parts, task_id)
    return visit.go(f"/tasks/{task_id}")


async def retry(visit: Visit) -> Response:
    """Run the task again, as a new one, and show that one."""
    await visit.form()
    task_id = visit.id_of("task_id", "task")
    answer = await submit_calls.retry_task(visit.request, visit.principal, [], visit.parts, task_id)
    return visit.go(f"/tasks/{_task_id(answer)}")


def _task_id(answer: Response) -> str:
    found: dict[str, Any] = json.loads(bytes(answer.body))
    if "task_id" not in found:
        raise Unavailable
    return str(found["task_id"])
