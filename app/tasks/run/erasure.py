"""Erase what an ended task was about, for its tenant: what stays is that it was there, and how it ended."""

from datetime import datetime
from uuid import UUID

from app.core.errors import IllegalState, NotFound
from app.db import Database
from app.tasks import change_store
from app.tasks.status import Status


async def erase(api: Database, tenant_id: UUID, task_id: UUID) -> tuple[Status, datetime]:
    """Erase a task, and return its status and the time. A second call changes nothing.

    Raises ``NotFound``, ``IllegalState`` for a task that has not ended, and ``Unavailable``.
    """
    async with api.transaction(tenant_id) as connection:
        erased = await change_store.erase(connection, tenant_id, task_id)
    if erased is None:
        raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
    if erased["erased_at"] is None:
        raise IllegalState("The task has not ended. Cancel it or wait for its end, then erase it.")
    return Status(erased["status"]), erased["erased_at"]
