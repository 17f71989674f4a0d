"""Change a task while it waits. A claim acts on what is committed at its moment, so the change counts at once."""

from typing import TYPE_CHECKING
from uuid import UUID

from redis.asyncio import Redis

from app.broker import tickets
from app.broker.tickets import Offer
from app.core.errors import IllegalState, NotFound
from app.db import Database
from app.tasks import change_store, store
from app.tasks.change_store import WaitingChange

if TYPE_CHECKING:
    import asyncpg


async def change(
    api: Database, redis: Redis, tenant_id: UUID, task_id: UUID, wanted: WaitingChange
) -> "asyncpg.Record":
    """Change a waiting task, and return its new options.

    Raises ``NotFound``, ``IllegalState`` for a task that runs or has ended, and ``Unavailable``.
    """
    async with api.transaction(tenant_id) as connection:
        changed = await change_store.change_waiting(connection, tenant_id, task_id, wanted)
        # The function has locked the slots, so a task that did not wait has not come back since.
        if changed is None and await store.status(connection, tenant_id, task_id) is None:
            raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
    if changed is None:
        raise IllegalState("The task does not wait. Only one that waits for its start or its retry can be changed.")
    if wanted.sets_time and changed["is_due"]:
        await tickets.offer_quietly(redis, [Offer(tenant_id, changed["pool"])])
    return changed
