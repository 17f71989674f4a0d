"""SQL that finds how many tasks are claimed before a waiting one, and how fast its tenant's tasks end."""

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection

if TYPE_CHECKING:
    import asyncpg

MAX_POSITION: Final = 1_000
"""Tasks are counted up to this position."""
MAX_ENDS: Final = 1_000
"""The most ends that are counted: the latest ones."""

# Due tasks of the same pool that the claim takes first, in the order of tasks_claim: a step of priority counts as a
# minute. LATERAL for each priority, so that the index of the backlog is read in its own order, only as far as needed.
_BEFORE = f"""
SELECT (
    SELECT count(*) FROM (
        SELECT FROM generate_series(9, 0, -1) AS p, LATERAL (
            SELECT FROM backlog w
            WHERE w.pool = mine.pool AND w.tenant_id = $1 AND w.priority = p
              AND w.due_at <= mine.due_at + (p - mine.priority) * interval '1 minute' AND w.due_at <= now()
              AND (w.due_at - p * interval '1 minute', w.task_id)
                  < (mine.due_at - mine.priority * interval '1 minute', mine.task_id)
            ORDER BY w.due_at LIMIT {MAX_POSITION}
        ) AS first LIMIT {MAX_POSITION}
    ) AS earlier
) AS before
FROM (
    SELECT b.task_id, b.pool, b.priority, b.due_at FROM backlog b
    WHERE b.tenant_id = $1 AND b.task_id = $2 AND b.due_at <= now() ORDER BY b.task_id LIMIT 1
) AS mine
"""  # noqa: S608 a constant

# Each end of an attempt that counts is an event. The newest are read by number; created_at leaves out older days.
_ENDS = f"""
SELECT count(*) AS ends, extract(epoch FROM now() - min(recent.created_at))::float8 AS seconds, now() AS now
FROM (
    SELECT e.created_at FROM event e WHERE e.tenant_id = $1 AND e.created_at > now() - interval '1 day'
    ORDER BY e.seq DESC LIMIT {MAX_ENDS}
) AS recent
WHERE recent.created_at > now() - $2::interval
"""  # noqa: S608 a constant


async def tasks_before(connection: Connection, tenant_id: UUID, task_id: UUID) -> int | None:
    """Return how many tasks are claimed before this one, counted up to ``MAX_POSITION``. None: it is not due."""
    before: int | None = await connection.fetchval(_BEFORE, tenant_id, task_id)
    return before


async def recent_ends(connection: Connection, tenant_id: UUID, window: timedelta) -> "asyncpg.Record":
    """Return how many attempts of the tenant ended lately (``ends``), in how many ``seconds``, and the time ``now``.

    At most ``MAX_ENDS`` ends within ``window`` are counted. ``seconds`` is None without any.
    """
    row = await connection.fetchrow(_ENDS, tenant_id, window)
    assert row is not None  # noqa: S101 an aggregate has a row
    return row
