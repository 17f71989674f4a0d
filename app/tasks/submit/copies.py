"""Build tasks from stored requests, in a process that loads no task types."""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from app.core import ids
from app.tasks.submit.new_tasks import NewTask, TaskSpecs
from app.tenants.plans import Limits

if TYPE_CHECKING:
    import asyncpg


def specs(tenant_id: UUID, limits: Limits, rows: "Iterable[asyncpg.Record]") -> TaskSpecs:
    """Return new tasks with the stored requests of ended ones (``bulk_store.to_repeat``).

    Nothing is validated again. So pool and limits of a task are those of its first submit, and a payload that its type
    no longer takes fails when the task runs.
    """
    return TaskSpecs(tenant_id, limits, [new_task(tenant_id, row, retry_of=row["task_id"]) for row in rows])


def new_task(
    tenant_id: UUID, row: "asyncpg.Record", *, retry_of: UUID | None = None, expires_seconds: float | None = None
) -> NewTask:
    """Return a new task of a stored request, as it was validated when it was stored."""
    return NewTask(
        tenant_id=tenant_id,
        id=ids.new_id(),
        task=row["task"],
        pool=row["pool"],
        priority=row["priority"],
        payload=row["payload"],
        max_attempts=row["max_attempts"],
        time_limit_seconds=row["time_limit_seconds"],
        delay_seconds=None,
        scheduled_at=None,
        expires_seconds=expires_seconds,
        timeout_seconds=row["timeout_seconds"],
        tags=json.dumps(row["tags"]) if row["tags"] else None,
        metadata=row["metadata"],
        webhook_url=row["webhook_url"],
        retry_of=retry_of,
        traceparent=None,
    )
