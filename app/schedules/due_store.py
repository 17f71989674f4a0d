"""SQL by which the dispatcher finds the schedules of all tenants that have something to do, and deletes old fires."""

from typing import Final
from uuid import UUID

from app.db import Connection, affected

# One probe of a small index, whether there are schedules or not.
_DUE: Final = """
SELECT tenant_id, id FROM schedule WHERE next_fire_at <= now() ORDER BY next_fire_at LIMIT $1
"""
# From tenant to tenant by the index schedule_due_of_tenant, and the first due ones of each: the first of all, then the
# second ones, and so on. It costs two probes for each tenant with schedules, and is asked only if very many are due.
_IN_TURN: Final = """
WITH RECURSIVE turn AS (
    (SELECT tenant_id FROM schedule WHERE next_fire_at IS NOT NULL ORDER BY tenant_id LIMIT 1)
    UNION ALL
    SELECT (
        SELECT s.tenant_id FROM schedule s WHERE s.next_fire_at IS NOT NULL AND s.tenant_id > t.tenant_id
        ORDER BY s.tenant_id LIMIT 1
    ) FROM turn t WHERE t.tenant_id IS NOT NULL
)
SELECT t.tenant_id, d.id FROM turn t CROSS JOIN LATERAL (
    SELECT o.id, o.next_fire_at, row_number() OVER (ORDER BY o.next_fire_at) AS place FROM (
        SELECT s.id, s.next_fire_at FROM schedule s WHERE s.tenant_id = t.tenant_id AND s.next_fire_at <= now()
        ORDER BY s.next_fire_at LIMIT $1
    ) AS o
) AS d
ORDER BY d.place, d.next_fire_at LIMIT $2
"""
# A fire that waits is looked at when its task has ended, or was deleted. ``$1`` is where the look before has ended.
_QUEUED: Final = """
SELECT w.tenant_id, w.id, w.is_free FROM (
    SELECT s.tenant_id, s.id, NOT EXISTS (
        SELECT FROM task t WHERE t.tenant_id = s.tenant_id AND t.id = s.last_task_id
        AND t.status IN ('PENDING', 'STARTED', 'RETRY')
    ) AS is_free
    FROM schedule s WHERE s.queued_fire_at IS NOT NULL AND s.id > $1 ORDER BY s.id LIMIT $2
) AS w
"""


async def due_any_tenant(connection: Connection, limit: int) -> list[tuple[UUID, UUID]]:
    """Return tenant and id of up to ``limit`` schedules that are due, the oldest first."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_DUE, limit)]


async def due_in_turn_any_tenant(connection: Connection, of_tenant: int, limit: int) -> list[tuple[UUID, UUID]]:
    """Return tenant and id of up to ``limit`` due schedules, of each tenant in turn its oldest up to ``of_tenant``."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_IN_TURN, of_tenant, limit)]


async def queued_any_tenant(
    connection: Connection, after: UUID, limit: int
) -> tuple[list[tuple[UUID, UUID]], UUID | None]:
    """Look at ``limit`` schedules with a fire that waits, in the order of ids.

    Return tenant and id of those whose latest task has ended, and the last id if there may be more.
    """
    rows = await connection.fetch(_QUEUED, after, limit)
    free = [(row["tenant_id"], row["id"]) for row in rows if row["is_free"]]
    return free, rows[-1]["id"] if len(rows) == limit else None


async def prune_any_tenant(connection: Connection, days: int, limit: int, fence: UUID) -> int:
    """Delete the ``limit`` oldest fires that are older than ``days``, and those of the same moment; return how many."""
    done = await connection.execute(
        "DELETE FROM schedule_fire WHERE created_at <= (SELECT max(created_at) FROM ("
        "SELECT created_at FROM schedule_fire WHERE created_at < now() - make_interval(days => $1) "
        "ORDER BY created_at LIMIT $2) AS old) AND (SELECT dispatcher_leads($3))",
        days,
        limit,
        fence,
    )
    return affected(done)
