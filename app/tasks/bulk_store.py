"""SQL for acts on many tasks of one tenant: select them page by page, cancel them, and read what a retry repeats."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection
from app.tasks.selection import SelectedPage, TaskSelection

if TYPE_CHECKING:
    import asyncpg

# Pages are read in the order of a key. With a sort allowed, a plan may read everything that the tenant has and sort it
# (docs/decisions/0010-plans-whatever-statistics-know.md).
_BY_KEY: Final = "SELECT set_config('enable_sort', 'off', true)"

# $5 to $10: the conditions of a ``TaskSelection``; null means any value.
_MATCHES: Final = """
    k.status = ANY($5::text[]) AND ($6::text IS NULL OR k.task = $6) AND ($7::text IS NULL OR $7 = ANY(k.tags))
    AND ($8::timestamptz IS NULL OR k.created_at >= $8) AND ($9::timestamptz IS NULL OR k.created_at < $9)
    AND k.created_at <= $10::timestamptz
"""

# $1: the tenant; $2, $3: ids between which the page lies; $4: how many tasks it has at most. A claim and an end move a
# task between the backlog and the running attempts in one transaction. So this one statement sees each unfinished task
# in one of them, or among those that wait for others. None is missed that starts, or waits again, while the pages are
# read.
_UNFINISHED: Final = f"""
-- running: IS TRUE hides the conditions from the planner, so that only the small index of running attempts can answer.
WITH running AS MATERIALIZED (
    SELECT a.task_id FROM attempt a
    WHERE a.finished_at IS NULL AND (a.tenant_id = $1 AND a.task_id > $2 AND a.task_id <= $3) IS TRUE
), unfinished AS MATERIALIZED (
    SELECT u.task_id FROM (
        (SELECT b.task_id FROM backlog b WHERE b.tenant_id = $1 AND b.task_id > $2 AND b.task_id <= $3
         ORDER BY b.task_id LIMIT $4)
        UNION
        (SELECT h.task_id FROM held h WHERE h.tenant_id = $1 AND h.task_id > $2 AND h.task_id <= $3
         ORDER BY h.task_id LIMIT $4)
        UNION
        SELECT r.task_id FROM running r
    ) AS u ORDER BY u.task_id LIMIT $4
)
SELECT k.id AS task_id, ({_MATCHES}) AS matches
-- LATERAL with LIMIT: one look-up by the key for each task, whatever the statistics say.
FROM unfinished u CROSS JOIN LATERAL (
    SELECT t.id, t.status, t.task, t.tags, t.created_at FROM task t
    WHERE t.tenant_id = $1 AND t.id = u.task_id LIMIT 1
) AS k
ORDER BY u.task_id
"""  # noqa: S608 a constant

_ALL: Final = f"""
SELECT k.id AS task_id, ({_MATCHES}) AS matches FROM task k
WHERE k.tenant_id = $1 AND k.id > $2 AND k.id <= $3
ORDER BY k.id LIMIT $4
"""  # noqa: S608 a constant

# $11: the error. A table of links is read: an index of tasks for it would be written by every claim and end.
_OF_ERROR: Final = f"""
SELECT l.task_id, coalesce(k.matches, false) AS matches
FROM (
    SELECT e.task_id FROM error_task e
    -- IS TRUE hides the tenant from the planner, so that only the index of errors can answer.
    WHERE (e.tenant_id = $1) IS TRUE AND e.error_id = $11 AND e.task_id > $2 AND e.task_id <= $3
    ORDER BY e.task_id LIMIT $4
) AS l
-- LEFT: a task that was deleted meanwhile still counts as read.
LEFT JOIN LATERAL (
    SELECT {_MATCHES} AS matches FROM task k WHERE k.tenant_id = $1 AND k.id = l.task_id LIMIT 1
) AS k ON true
ORDER BY l.task_id
"""  # noqa: S608 a constant

# $11: the ids that were named, in their order; $12: the error, or null.
_NAMED: Final = f"""
SELECT k.id AS task_id, ({_MATCHES}) AS matches
FROM unnest($11::uuid[]) AS u (task_id) CROSS JOIN LATERAL (
    SELECT t.id, t.status, t.task, t.tags, t.created_at FROM task t
    WHERE t.tenant_id = $1 AND t.id = u.task_id LIMIT 1
) AS k
WHERE u.task_id > $2 AND u.task_id <= $3 AND ($12::uuid IS NULL OR $12 = (
    SELECT e.error_id FROM error_task e WHERE e.tenant_id = $1 AND e.task_id = u.task_id LIMIT 1
))
LIMIT $4
"""  # noqa: S608 a constant


async def unfinished(
    connection: Connection, tenant_id: UUID, wanted: TaskSelection, *, after: UUID, limit: int
) -> SelectedPage:
    """Return the next page of tasks that wait or run; ``limit`` is the number of tasks that are read at most."""
    return await _page(connection, _UNFINISHED, tenant_id, wanted, after=after, limit=limit)


async def ended(
    connection: Connection, tenant_id: UUID, wanted: TaskSelection, *, after: UUID, limit: int
) -> SelectedPage:
    """Return the next page of tasks in any status; ``limit`` is the number of tasks that are read at most."""
    return await _page(connection, _ALL, tenant_id, wanted, after=after, limit=limit)


async def _page(
    connection: Connection, statement: str, tenant_id: UUID, wanted: TaskSelection, *, after: UUID, limit: int
) -> SelectedPage:
    await connection.execute(_BY_KEY)
    conditions = (wanted.statuses, wanted.task, wanted.tag, wanted.created_from, wanted.created_to, wanted.asked_at)
    span = tenant_id, *wanted.bounds(after), limit
    if wanted.task_ids is not None:
        rows = await connection.fetch(_NAMED, *span, *conditions, sorted(wanted.task_ids), wanted.error_id)
    elif wanted.error_id is not None:
        rows = await connection.fetch(_OF_ERROR, *span, *conditions, wanted.error_id)
    else:
        rows = await connection.fetch(statement, *span, *conditions)
    matching = [row["task_id"] for row in rows if row["matches"]]
    return SelectedPage(matching, rows[-1]["task_id"] if len(rows) == limit else None)


# Rows are compared, so that only the key can answer (docs/decisions/0010-plans-whatever-statistics-know.md).
_REQUEST_CANCEL_EACH: Final = """
UPDATE task k SET cancel_requested_at = coalesce(k.cancel_requested_at, now())
FROM unnest($2::uuid[]) AS u (task_id)
WHERE (k.tenant_id, k.id) >= ($1, u.task_id) AND (k.tenant_id, k.id) <= ($1, u.task_id) AND k.id = u.task_id
    AND k.status = 'STARTED'
RETURNING k.id AS task_id
"""

_WAITING: Final = """
SELECT k.id AS task_id FROM unnest($2::uuid[]) AS u (task_id) CROSS JOIN LATERAL (
    SELECT t.id FROM task t
    WHERE t.tenant_id = $1 AND t.id = u.task_id AND t.status IN ('PENDING', 'RETRY') LIMIT 1
) AS k
"""


async def request_cancel_each(connection: Connection, tenant_id: UUID, task_ids: Sequence[UUID]) -> set[UUID]:
    """Request the end of those of the tasks that run, and return them."""
    rows = await connection.fetch(_REQUEST_CANCEL_EACH, tenant_id, task_ids)
    return {row["task_id"] for row in rows}


async def waiting(connection: Connection, tenant_id: UUID, task_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the tasks that wait."""
    return {row["task_id"] for row in await connection.fetch(_WAITING, tenant_id, task_ids)}


# $3: the bytes of payload to return at most, but at least one task: all of them are in memory at the same time.
_TO_REPEAT: Final = """
SELECT w.* FROM (
    SELECT k.*, sum(octet_length(k.payload)) OVER (ORDER BY u.place) - octet_length(k.payload) AS bytes_before
    FROM unnest($2::uuid[]) WITH ORDINALITY AS u (task_id, place) CROSS JOIN LATERAL (
        SELECT t.id AS task_id, t.task, t.pool, t.priority, t.payload::text AS payload, t.max_attempts,
            t.time_limit_seconds, t.timeout_seconds, t.tags, t.metadata::text AS metadata, t.webhook_url
        -- An erased task has no payload any more.
        FROM task t WHERE t.tenant_id = $1 AND t.id = u.task_id AND t.erased_at IS NULL LIMIT 1
    ) AS k
) AS w
WHERE w.bytes_before < $3
"""


async def to_repeat(
    connection: Connection, tenant_id: UUID, task_ids: Sequence[UUID], max_bytes: int
) -> "list[asyncpg.Record]":
    """Return the stored requests of the first of these tasks, as many as have ``max_bytes`` of payloads together."""
    return list(await connection.fetch(_TO_REPEAT, tenant_id, task_ids, max_bytes))
