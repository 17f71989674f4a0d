"""SQL that lists a tenant's tasks."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.core import ids
from app.db import Connection
from app.tasks.read.task_filter import TaskFilter

if TYPE_CHECKING:
    import asyncpg

MAX_ROWS_READ: Final = 20_000
"""The most tasks that one call of a list with a filter reads."""

_ANY: Final = TaskFilter()

_LIST = """
SELECT id AS task_id, task, status, priority, tags, attempt, created_at, finished_at FROM task
WHERE tenant_id = $1 AND id >= $2 AND id < $3
ORDER BY id DESC LIMIT $4
"""

# There is no index for a filter, because it would make each submit, claim and end more expensive. So a list reads a
# bounded number of tasks. If too few of them match, the last row has only an id: that of the oldest task that was read.
# Both parts are one statement, so they see the same tasks.
_FILTERED_LIST = f"""
-- found: the matching tasks. MATERIALIZED, because it is used twice, for the rows and for their number.
WITH found AS MATERIALIZED (
    -- newest: the filter stands outside of this LIMIT, so that it bounds the tasks that are read, not those that match.
    SELECT * FROM (
        SELECT id AS task_id, task, status, priority, tags, attempt, created_at, finished_at FROM task
        WHERE tenant_id = $1 AND id >= $2 AND id < $3
        ORDER BY id DESC LIMIT {MAX_ROWS_READ}
    ) AS newest
    WHERE ($5::text IS NULL OR status = $5) AND ($6::text IS NULL OR task = $6)
        AND ($7::text IS NULL OR $7 = ANY(tags))
        AND ($8::timestamptz IS NULL OR created_at >= $8) AND ($9::timestamptz IS NULL OR created_at < $9)
    ORDER BY task_id DESC LIMIT $4
)
SELECT * FROM found
UNION ALL
-- oldest: the last task that was read. It exists only if the bound ended the reading and too few tasks were found.
SELECT * FROM (
    SELECT id, NULL, NULL, NULL::smallint, NULL::text[], NULL::integer, NULL::timestamptz, NULL::timestamptz FROM task
    WHERE tenant_id = $1 AND id >= $2 AND id < $3 AND (SELECT count(*) FROM found) < $4
    ORDER BY id DESC OFFSET {MAX_ROWS_READ - 1} LIMIT 1
) AS oldest
"""  # noqa: S608 a constant


async def page(
    connection: Connection, tenant_id: UUID, wanted: TaskFilter, *, before: UUID, limit: int
) -> "tuple[list[asyncpg.Record], UUID | None]":
    """Return up to ``limit`` tasks older than ``before``, newest first, and the id after which the list continues.

    The id is that of the oldest task that was read. It is None if no older task can match, or if the page is full.
    """
    # Ids begin with their time, so a range of times is a range of the primary key.
    first, last = ids.between(wanted.created_from, wanted.created_to)
    span = tenant_id, first, min(before, last), limit
    if wanted == _ANY:
        return list(await connection.fetch(_LIST, *span)), None
    others = (wanted.status, wanted.task, wanted.tag, wanted.created_from, wanted.created_to)
    rows = await connection.fetch(_FILTERED_LIST, *span, *others)
    is_cut = bool(rows) and rows[-1]["task"] is None
    return (rows[:-1], rows[-1]["task_id"]) if is_cut else (rows, None)
