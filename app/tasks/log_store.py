"""SQL of the table ``task_log``: the lines that a task's code has logged."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from app.db import Connection
from app.tasks.run.attempts import AttemptRef
from app.tasks.run.log_lines import LogLine
from app.tenants import plans

if TYPE_CHECKING:
    import asyncpg

# $1 to $3: the attempt. $4 to $8: the lines. $9: how many lines a task keeps by its plan; null: there is no bound.
_APPEND = """
WITH running AS MATERIALIZED (
    -- Locks the task's row, so that the attempt cannot end before these lines are committed: a reader who has seen the
    -- end does not look for more lines. Nothing is stored for an attempt that was taken away.
    SELECT k.attempt, coalesce((t.limits ->> 'log_lines')::integer, $9) AS max_lines
    FROM task k JOIN tenant t ON t.id = k.tenant_id
    WHERE k.tenant_id = $1 AND k.id = $2 AND k.claim_token = $3 AND k.status = 'STARTED'
    FOR SHARE OF k
), before AS MATERIALIZED (
    -- The lines of the task so far. again: those of this call, which is repeated if its answer was lost.
    SELECT count(*) AS lines, count(*) FILTER (WHERE b.attempt = r.attempt AND b.seq = ANY($4)) AS again
    FROM running r JOIN task_log b ON b.tenant_id = $1 AND b.task_id = $2
), stored AS (
    INSERT INTO task_log (tenant_id, task_id, attempt, seq, at, level, message, fields)
    SELECT $1, $2, r.attempt, l.seq, l.at, l.level, l.message, l.fields::jsonb
    FROM running r, before b, unnest($4::integer[], $5::timestamptz[], $6::text[], $7::text[], $8::text[])
        WITH ORDINALITY AS l (seq, at, level, message, fields, number)
    WHERE $9::integer IS NULL OR b.lines - b.again + l.number <= r.max_lines
    ON CONFLICT (tenant_id, task_id, attempt, seq) DO NOTHING
    RETURNING 1
)
SELECT (count(*) + (SELECT again FROM before))::integer FROM stored
"""

_PAGE = """
SELECT attempt, seq, at, level, message, fields FROM task_log
WHERE tenant_id = $1 AND task_id = $2 AND (attempt, seq) > ($3, $4) ORDER BY attempt, seq LIMIT $5
"""


async def append(
    connection: Connection,
    tenant_id: UUID,
    attempt: AttemptRef,
    lines: Sequence[LogLine],
    *,
    plan: str,
    is_bounded: bool = True,
) -> int:
    """Store lines of a running attempt; return how many were stored, always the first ones.

    A task keeps ``log_lines`` lines of its tenant's limits. 0 is returned as well if the attempt was taken away.
    """
    stored: int = await connection.fetchval(
        _APPEND,
        tenant_id,
        attempt.task_id,
        attempt.claim_token,
        [line.seq for line in lines],
        [line.at for line in lines],
        [line.level for line in lines],
        [line.message for line in lines],
        [line.fields for line in lines],
        plans.PLANS[plan].log_lines if is_bounded else None,
    )
    return stored


async def page(
    connection: Connection, tenant_id: UUID, task_id: UUID, *, after: tuple[int, int], limit: int
) -> "list[asyncpg.Record]":
    """Return up to ``limit`` lines after the one with this attempt and number, the oldest first."""
    return list(await connection.fetch(_PAGE, tenant_id, task_id, *after, limit))
