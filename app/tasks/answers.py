"""The answers to the calls that tenants make most: the routes and the fast path give the same bytes."""

from typing import Final
from uuid import UUID

from starlette.responses import Response

from app.tasks.reading import Outcome
from app.tasks.schemas import ResultPending, RetryResponse, SubmitResponse, TaskStatus
from app.tasks.status import FINAL
from app.tasks.submission import BatchReceipt, Receipt

_JSON: Final = "application/json"


def accepted(receipt: Receipt, retry_of: UUID | None = None) -> Response:
    """Return 202 for a new task, 200 for one that the same Idempotency-Key made before."""
    body = SubmitResponse(task_id=receipt.task_id, status=receipt.status)
    if retry_of is not None:
        body = RetryResponse(task_id=receipt.task_id, status=receipt.status, retry_of=retry_of)
    headers = {"Location": f"/api/tasks/{receipt.task_id}", **receipt.headers}
    if receipt.is_replay:
        headers["Idempotency-Replayed"] = "true"
    status = 200 if receipt.is_replay else 202
    return Response(body.model_dump_json(), status, headers, _JSON)


def batch(receipt: BatchReceipt) -> Response:
    """Return 202 with what became of each task, 200 where the same Idempotency-Key had it stored before."""
    headers = dict(receipt.headers)
    if receipt.is_replay:
        headers["Idempotency-Replayed"] = "true"
    return Response(receipt.answer, 200 if receipt.is_replay else 202, headers, _JSON)


def status(found: TaskStatus) -> Response:
    """Return 200 and where the task stands."""
    return Response(found.model_dump_json(), media_type=_JSON)


def result(found: Outcome) -> Response:
    """Return 200 and how the task ended, or 202 where it has not."""
    if found.status in FINAL:
        # What is stored is JSON already, and may be long.
        parts = f'"result":{found.result or "null"},"error":{found.error or "null"}'
        return Response(f'{{"task_id":"{found.task_id}","status":"{found.status}",{parts}}}', media_type=_JSON)
    pending = ResultPending(task_id=found.task_id, status=found.status)
    return Response(pending.model_dump_json(), 202, {"Retry-After": "1"}, _JSON)
