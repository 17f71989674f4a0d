"""Look after tasks that wait for others, for the dispatcher. Ends release them in their own transaction, in SQL."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from app.core import failpoints
from app.db import Connection, Database
from app.tasks import held_store


class HeldPage(NamedTuple):
    """A page of held tasks, compared with the tasks for which they wait."""

    wrong: Mapping[UUID, Sequence[UUID]]
    """Tasks whose row is wrong, by their tenants."""
    next_place: tuple[UUID, UUID] | None
    """The start of the next page; None after the last one."""


async def doomed_any_tenant(connection: Connection, limit: int) -> list[UUID]:
    """Return up to ``limit`` tenants that have held tasks whose condition can no longer hold."""
    return await held_store.doomed_any_tenant(connection, limit)


async def end_doomed(worker: Database, tenant_id: UUID) -> list[UUID]:
    """End a tenant's held tasks whose condition can no longer hold, up to a bound; return them."""
    async with worker.transaction(tenant_id) as connection:
        ended = await held_store.end_doomed(connection, tenant_id)
        failpoints.hit("release.before_commit")
    return ended


async def look_any_tenant(connection: Connection, place: tuple[UUID, UUID], limit: int) -> HeldPage:
    """Compare up to ``limit`` held tasks after ``place`` (tenant, task) with what they wait for."""
    rows = await held_store.look_any_tenant(connection, place, limit)
    wrong: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for row in rows:
        if row["is_wrong"]:
            wrong[row["tenant_id"]].append(row["task_id"])
    return HeldPage(wrong, (rows[-1]["tenant_id"], rows[-1]["task_id"]) if len(rows) == limit else None)


async def settle(worker: Database, tenant_id: UUID, task_ids: Sequence[UUID]) -> list[UUID]:
    """Correct held tasks of a tenant; return those that were wrong. Others may have ended or changed since the look."""
    async with worker.transaction(tenant_id) as connection:
        return await held_store.settle(connection, tenant_id, task_ids)


async def forget_idle(connection: Connection, worker: Database) -> None:
    """Take away the mark of tenants that have no held tasks any more, so that their ends look at no table of them."""
    for tenant_id in await held_store.idle_any_tenant(connection):
        async with worker.transaction(tenant_id) as writing:
            await held_store.forget_idle(writing, tenant_id)
