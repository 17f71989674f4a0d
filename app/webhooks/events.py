"""Write an event for the end of a task: a delivery, in the transaction that ends the task."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from app.core.ids import new_id
from app.db import Connection
from app.webhooks import store, url_key
from app.webhooks.store import NewDelivery

_compact: Final = json.JSONEncoder(separators=(",", ":")).encode
_TYPES: Final = {"SUCCESS": "task.succeeded", "FAILURE": "task.failed", "REVOKED": "task.revoked"}


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """The end of a task, and the URL to which its event is sent."""

    tenant_id: UUID
    task_id: UUID
    task: str
    status: str
    """``SUCCESS``, ``FAILURE`` or ``REVOKED``."""
    result: str | None
    """JSON, as it is stored; None is null."""
    error: dict[str, Any] | None
    attempt_count: int
    tags: Sequence[str]
    finished_at: datetime
    webhook_url: str | None


async def emit(connection: Connection, ends: Iterable[TaskEnded]) -> None:
    """Write the events' deliveries in the caller's transaction; none for a task without a webhook_url."""
    deliveries = [_delivery(ended, ended.webhook_url) for ended in ends if ended.webhook_url is not None]
    if deliveries:
        await store.insert_any_tenant(connection, deliveries)


def _delivery(ended: TaskEnded, url: str) -> NewDelivery:
    return NewDelivery(
        tenant_id=ended.tenant_id,
        id=new_id(),
        task_id=ended.task_id,
        event_type=_TYPES[ended.status],
        url=url,
        url_key=url_key.url_key(url),
        body=body(ended),
    )


def body(ended: TaskEnded) -> str:
    """Return the event's JSON (schemas.TaskEvent): exactly these bytes are stored, signed and sent with every attempt.

    The result is handed through as it is stored: to read and write it again would take most of the time, and could
    change a number.
    """
    task = {"task_id": str(ended.task_id), "task": ended.task, "status": ended.status}
    rest = {"attempt_count": ended.attempt_count, "tags": list(ended.tags)}
    is_success = ended.status == "SUCCESS"
    outcome = f'"result":{ended.result or "null"}' if is_success else f'"error":{_compact(ended.error)}'
    timestamp = ended.finished_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    head = f'"type":"{_TYPES[ended.status]}","timestamp":"{timestamp}"'
    return f'{{{head},"data":{_compact(task)[:-1]},{outcome},{_compact(rest)[1:]}}}'
