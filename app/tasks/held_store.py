"""SQL of tasks that wait for other tasks (docs/decisions/0032-held-tasks.md)."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection, call
from app.tasks.submit.new_tasks import Dependency, Need, Statement

if TYPE_CHECKING:
    import asyncpg

UNKNOWN: Final = "TQ007"
"""SQLSTATE of ``hold``: the tenant has no such tasks to wait for. The ids are the detail of the error, with commas."""
MAX_BLOCKED_BY: Final = 100
"""The most tasks that ``blocked_by`` returns."""

_NEEDS: Final[dict[Need, int]] = {"success": 1, "failure": 2, "finished": 3}
_CALL_HOLD: Final = call("tasks_hold", "tenant", "downstream", "upstream", "need")
_HOLD: Final = f"SELECT FROM {_CALL_HOLD}"
_CALL_SETTLE: Final = call("held_settle", "tenant", "tasks")
_SETTLE: Final = f"SELECT task_id FROM {_CALL_SETTLE} AS task_id"  # noqa: S608 a constant of names
_CALL_RELEASE: Final = call("held_release", "tenant", "tasks")
_RELEASE: Final = f"SELECT task_id FROM {_CALL_RELEASE} AS task_id"  # noqa: S608 a constant of names

# In the order of the key, so that a page goes on where the last one ended. is_wrong: the tasks that it waits for say
# something else than its row. A doomed task needs no more of them. LATERAL: one probe of the index for each row.
_LOOK: Final = """
SELECT h.tenant_id, h.task_id, h.doomed_by IS NOT NULL AS is_doomed,
    h.doomed_by IS NULL AND (n.remaining <> h.remaining OR n.remaining = 0 OR n.is_broken) AS is_wrong
FROM (
    SELECT * FROM held w WHERE (w.tenant_id, w.task_id) > ($1, $2) ORDER BY w.tenant_id, w.task_id LIMIT $3
) AS h
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE k.finished_at IS NULL) AS remaining,
        coalesce(bool_or(k.finished_at IS NOT NULL AND NOT dependency_met(d.need, k.status)), false) AS is_broken
    FROM dependency d CROSS JOIN LATERAL (
        SELECT t.status, t.finished_at FROM task t WHERE t.tenant_id = h.tenant_id AND t.id = d.upstream_id LIMIT 1
    ) AS k
    WHERE d.tenant_id = h.tenant_id AND d.downstream_id = h.task_id
) AS n
ORDER BY h.tenant_id, h.task_id
"""

_BLOCKED_BY: Final = """
SELECT d.upstream_id FROM dependency d CROSS JOIN LATERAL (
    SELECT FROM task t WHERE t.tenant_id = $1 AND t.id = d.upstream_id AND t.finished_at IS NULL LIMIT 1
) AS k
WHERE d.tenant_id = $1 AND d.downstream_id = $2 ORDER BY d.upstream_id LIMIT $3
"""

# In a statement of its own after the lock: a submit that holds a task meanwhile keeps the bit.
_LOCK: Final = "SELECT FROM tenant_slots s WHERE s.tenant_id = $1 FOR UPDATE"
_FORGET: Final = """
UPDATE tenant_slots SET features = features & ~4
WHERE tenant_id = $1 AND NOT EXISTS (SELECT FROM held h WHERE h.tenant_id = $1)
"""


def hold_statement(tenant_id: UUID, dependencies: Sequence[Dependency]) -> Statement:
    """Return the statement that lets new tasks wait, for the transaction that stores them (functions: tasks_hold).

    It raises an error with the SQLSTATE ``UNKNOWN`` for tasks that the tenant does not have.
    """
    downstream, upstream = [one.downstream_id for one in dependencies], [one.upstream_id for one in dependencies]
    return Statement(_HOLD, (tenant_id, downstream, upstream, [_NEEDS[one.when] for one in dependencies]))


async def look_any_tenant(connection: Connection, beyond: tuple[UUID, UUID], limit: int) -> "list[asyncpg.Record]":
    """Return up to ``limit`` held tasks after a place (tenant, task): whether each is doomed, or its row is wrong."""
    return list(await connection.fetch(_LOOK, *beyond, limit))


async def doomed_any_tenant(connection: Connection, limit: int) -> list[UUID]:
    """Return up to ``limit`` tenants that have held tasks of which a condition can no longer hold."""
    found = "SELECT DISTINCT h.tenant_id FROM held h WHERE h.doomed_by IS NOT NULL LIMIT $1"
    return [row["tenant_id"] for row in await connection.fetch(found, limit)]


async def idle_any_tenant(connection: Connection) -> list[UUID]:
    """Return the tenants that are marked as having held tasks, and have none now."""
    found = (
        "SELECT s.tenant_id FROM tenant_slots s WHERE s.features & 4 <> 0 "
        "AND NOT EXISTS (SELECT FROM held h WHERE h.tenant_id = s.tenant_id)"
    )
    return [row["tenant_id"] for row in await connection.fetch(found)]


async def settle(connection: Connection, tenant_id: UUID, task_ids: Sequence[UUID]) -> list[UUID]:
    """Correct held tasks by what they wait for; return those that were wrong (migrations/functions: held_settle)."""
    return [row["task_id"] for row in await connection.fetch(_SETTLE, tenant_id, task_ids)]


async def end_doomed(connection: Connection, tenant_id: UUID) -> list[UUID]:
    """End held tasks of which a condition can no longer hold; return them (migrations/functions: held_release)."""
    return [row["task_id"] for row in await connection.fetch(_RELEASE, tenant_id, [])]


async def forget_idle(connection: Connection, tenant_id: UUID) -> None:
    """Take away the mark of a tenant that has no held tasks, so that its ends are as cheap as before."""
    await connection.execute(_LOCK, tenant_id)
    await connection.execute(_FORGET, tenant_id)


async def blocked_by(connection: Connection, tenant_id: UUID, task_id: UUID) -> list[UUID]:
    """Return tasks that a held task waits for and that have not ended, oldest first, at most ``MAX_BLOCKED_BY``."""
    rows = await connection.fetch(_BLOCKED_BY, tenant_id, task_id, MAX_BLOCKED_BY)
    return [row["upstream_id"] for row in rows]
