"""SQL of the list of a tenant's tasks."""

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

# No index serves a filter, because an index would make each submit, claim or end more expensive. So a list reads a
# bounded number of tasks. If it does not find enough among them, its last row has only an id: the one of the oldest
# task that was read. Both parts are one statement, so they see the same tasks.
_FILTERED_LIST = f"""
WITH found AS MATERIALIZED (
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
SELECT * FROM (
    SELECT id, NULL, NULL, NULL::smallint, NULL::text[], NULL::integer, NULL::timestamptz, NULL::timestamptz FROM task
    WHERE tenant_id = $1 AND id >= $2 AND id < $3 AND (SELECT count(*) FROM found) < $4
    ORDER BY id DESC OFFSET {MAX_ROWS_READ - 1} LIMIT 1
) AS oldest
"""  # noqa: S608 a constant


async def page(
    connection: Connection, tenant_id: UUID, wanted: TaskFilter, *, before: UUID, limit: int
) -> "tuple[list[asyncpg.Record], UUID | None]":
    """Return up to ``limit`` tasks older than ``before``, newest first, and where the list goes on if these are fewer.

    That is the id of the oldest task which was read, when there may be older ones; None: there are none.
    """
    first, last = ids.between(wanted.created_from, wanted.created_to)
    span = tenant_id, first, min(before, last), limit
    if wanted == _ANY:
        return list(await connection.fetch(_LIST, *span)), None
    others = (wanted.status, wanted.task, wanted.tag, wanted.created_from, wanted.created_to)
    rows = await connection.fetch(_FILTERED_LIST, *span, *others)
    is_cut = bool(rows) and rows[-1]["task"] is None
    return (rows[:-1], rows[-1]["task_id"]) if is_cut else (rows, None)
