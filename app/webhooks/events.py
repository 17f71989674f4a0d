"""The end of a task becomes an event: a delivery, written in the transaction that ends the task."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from app.core.ids import new_id
from app.db import Connection
from app.webhooks import endpoints, store

_TYPES: Final = {"SUCCESS": "task.succeeded", "FAILURE": "task.failed", "REVOKED": "task.revoked"}


@dataclass(frozen=True, slots=True)
class TaskEnded:
    """How a task ended, and who wants to know."""

    tenant_id: UUID
    task_id: UUID
    task: str
    status: str
    """``SUCCESS``, ``FAILURE`` or ``REVOKED``."""
    result: Any
    error: dict[str, Any] | None
    attempt_count: int
    tags: Sequence[str]
    finished_at: datetime
    webhook_url: str | None


async def emit(connection: Connection, ended: TaskEnded) -> None:
    """Write the event's delivery in the caller's transaction; nothing without a webhook_url."""
    if ended.webhook_url is None:
        return
    await store.insert(
        connection,
        ended.tenant_id,
        new_id(),
        task_id=ended.task_id,
        event_type=_TYPES[ended.status],
        url=ended.webhook_url,
        endpoint=endpoints.endpoint(ended.webhook_url),
        body=body(ended),
    )


def body(ended: TaskEnded) -> str:
    """Return the event's JSON (schemas.TaskEvent): these very bytes are stored, signed and sent with every try.

    ASCII: there is no string that could not be stored.
    """
    outcome = {"result": ended.result} if ended.status == "SUCCESS" else {"error": ended.error}
    event = {
        "type": _TYPES[ended.status],
        "timestamp": ended.finished_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "task_id": str(ended.task_id),
            "task": ended.task,
            "status": ended.status,
            **outcome,
            "attempt_count": ended.attempt_count,
            "tags": list(ended.tags),
        },
    }
    return json.dumps(event, separators=(",", ":"))
