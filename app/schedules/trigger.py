"""Submit a task of a schedule now, because somebody asks for it."""

from uuid import UUID

import asyncpg

from app.audit import log as audit
from app.audit.log import Actor
from app.core.errors import NotFound
from app.db import Database
from app.schedules import store
from app.tasks.submit import copies
from app.tasks.submit.accept import Acceptor
from app.tasks.submit.decision import Accepted, Refused
from app.tasks.submit.new_tasks import TaskSpecs
from app.tenants.plans import Limits


async def trigger(
    accounts: Database, acceptor: Acceptor, actor: Actor, tenant_id: UUID, limits: Limits, schedule_id: UUID
) -> Accepted | Refused:
    """Store a task of a schedule, with the row that says so. Raises ``NotFound`` and ``Unavailable``.

    The audit event says that somebody has asked for it, and is stored before.
    """
    async with accounts.transaction(tenant_id) as connection:
        row = await store.task_of(connection, tenant_id, schedule_id)
        if row is None:
            raise NotFound(store.UNKNOWN)
        await audit.record(connection, tenant_id, actor, "schedule.triggered", str(schedule_id), {"name": row["name"]})
    task = copies.new_task(tenant_id, row, expires_seconds=row["expires_seconds"])
    also = [store.trigger_statement_any_tenant(tenant_id, schedule_id, task.id)]
    try:
        return await acceptor.accept(TaskSpecs(tenant_id, limits, [task]), also=also)
    except asyncpg.PostgresError as error:
        if getattr(error, "sqlstate", None) == store.GONE:
            raise NotFound(store.UNKNOWN) from None
        raise
