"""The answers to the calls that tenants make most: the routes and the fast path give the same bytes."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.tasks.reading import Detail, Outcome
from app.tasks.schemas import TaskStatus
from app.tasks.status import FINAL
from app.tasks.submission import BatchReceipt, Receipt

_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_JSON: Final = (b"content-type", b"application/json")


class _Json(Response):
    """JSON that is text already. ``Response`` itself asks of each header what is known of ours."""

    def __init__(self, text: str, status: int = 200, headers: Mapping[str, str] = _NONE) -> None:
        self.status_code = status
        self.background = None
        self.body = text.encode()
        self.raw_headers = [
            (b"content-length", b"%d" % len(self.body)),
            _JSON,
            *((name.lower().encode(), value.encode()) for name, value in headers.items()),
        ]


def accepted(receipt: Receipt, retry_of: UUID | None = None) -> Response:
    """Return 202 for a new task, 200 for one that the same Idempotency-Key made before."""
    task_id = str(receipt.task_id)
    # A pydantic model of two known members would cost as much as all the rest of the answer.
    more = "" if retry_of is None else f',"retry_of":"{retry_of}"'
    body = f'{{"task_id":"{task_id}","status":"{receipt.status}"{more}}}'
    return _Json(body, _status(receipt), {"Location": f"/api/tasks/{task_id}", **_headers(receipt)})


def batch(receipt: BatchReceipt) -> Response:
    """Return 202 with what became of each task, 200 where the same Idempotency-Key had it stored before."""
    return _Json(receipt.answer, _status(receipt), _headers(receipt))


def _status(receipt: Receipt | BatchReceipt) -> int:
    return 200 if receipt.is_replay else 202


def _headers(receipt: Receipt | BatchReceipt) -> Mapping[str, str]:
    return {**receipt.headers, "Idempotency-Replayed": "true"} if receipt.is_replay else receipt.headers


def status(found: TaskStatus) -> Response:
    """Return 200 and where the task stands."""
    return _Json(found.model_dump_json())


def detail(found: Detail) -> Response:
    """Return 200 and everything about a task but its result."""
    # What is stored is JSON already, and may be long.
    return _Json(f'{{"payload":{found.payload},{found.task.model_dump_json()[1:]}')


class _Nothing(Response):
    """What is answered to nobody; the log has a 499."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send nothing."""


def result(found: Outcome | None) -> Response:
    """Return 200 and how the task ended, or 202 where it has not; nothing where the client has gone."""
    if found is None:
        return _Nothing()
    if found.status in FINAL:
        parts = f'"result":{found.result or "null"},"error":{found.error or "null"}'
        return _Json(f'{{"task_id":"{found.task_id}","status":"{found.status}",{parts}}}')
    pending = f'{{"detail":"Result not available yet","task_id":"{found.task_id}","status":"{found.status}"}}'
    return _Json(pending, 202, {"Retry-After": "1"})
