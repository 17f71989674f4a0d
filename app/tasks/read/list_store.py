"""SQL that lists a tenant's tasks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from app.core import ids
from app.db import Connection
from app.tasks.read.task_filter import TaskFilter

if TYPE_CHECKING:
    import asyncpg

MAX_ROWS_READ: Final = 20_000
"""The most tasks that one call of a list with a filter reads."""

_ANY: Final = TaskFilter()

_COLUMNS: Final = """id AS task_id, task, status, priority, tags, attempt, progress, error, created_at, started_at,
        finished_at, erased_at, extract(epoch FROM finished_at - started_at)::double precision AS duration_seconds"""
_SPAN: Final = "tenant_id = $1 AND id >= $2 AND id < $3"


def _list(direction: str) -> str:
    return f"SELECT {_COLUMNS} FROM task WHERE {_SPAN} ORDER BY id {direction} LIMIT $4"  # noqa: S608 constants


# There is no index for a filter, because it would make each submit, claim and end more expensive. So a list reads a
# bounded number of tasks. If too few of them match, the last row has only an id: that of the last task that was read.
# Both parts are one statement, so they see the same tasks.
def _filtered(direction: str) -> str:
    return f"""
-- found: the matching tasks. MATERIALIZED, because it is used twice, for the rows and for their number.
WITH found AS MATERIALIZED (
    -- first: the filter stands outside of this LIMIT, so that it bounds the tasks that are read, not those that match.
    SELECT * FROM (
        SELECT {_COLUMNS} FROM task WHERE {_SPAN} ORDER BY id {direction} LIMIT {MAX_ROWS_READ}
    ) AS first
    WHERE ($5::text[] IS NULL OR status = ANY($5)) AND ($6::text IS NULL OR task = $6)
        AND ($7::text IS NULL OR $7 = ANY(tags))
        AND ($8::timestamptz IS NULL OR created_at >= $8) AND ($9::timestamptz IS NULL OR created_at < $9)
        AND ($10::timestamptz IS NULL OR finished_at >= $10) AND ($11::timestamptz IS NULL OR finished_at < $11)
    ORDER BY task_id {direction} LIMIT $4
)
SELECT * FROM found
UNION ALL
-- last: the last task that was read. It exists only if the bound ended the reading and too few tasks were found.
SELECT * FROM (
    SELECT id, NULL, NULL, NULL::smallint, NULL::text[], NULL::integer, NULL::jsonb, NULL::jsonb, NULL::timestamptz,
        NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::double precision FROM task
    WHERE {_SPAN} AND (SELECT count(*) FROM found) < $4
    ORDER BY id {direction} OFFSET {MAX_ROWS_READ - 1} LIMIT 1
) AS last
"""  # noqa: S608 constants


class Order(NamedTuple):
    """The statements of one order, and whether it begins with the oldest task."""

    every: str
    filtered: str
    is_ascending: bool


NEWEST_FIRST: Final = Order(_list("DESC"), _filtered("DESC"), is_ascending=False)
OLDEST_FIRST: Final = Order(_list("ASC"), _filtered("ASC"), is_ascending=True)


def query(
    tenant_id: UUID, wanted: TaskFilter, *, position: UUID, limit: int, order: Order = NEWEST_FIRST
) -> tuple[str, Sequence[Any]]:
    """Return the statement of a page and its values. ``position`` is the id after which the page begins."""
    # Ids begin with their time, so a range of times is a range of the primary key. No task ends before it is created.
    ends = [moment for moment in (wanted.created_to, wanted.finished_to) if moment is not None]
    first, last = ids.between(wanted.created_from, min(ends, default=None))
    if order.is_ascending:
        first = max(first, UUID(int=min(position.int + 1, ids.LAST.int)))
    else:
        last = min(last, position)
    span = tenant_id, first, last, limit
    if wanted == _ANY:
        return order.every, span
    created, finished = (wanted.created_from, wanted.created_to), (wanted.finished_from, wanted.finished_to)
    return order.filtered, (*span, wanted.statuses, wanted.task, wanted.tag, *created, *finished)


async def page(
    connection: Connection,
    tenant_id: UUID,
    wanted: TaskFilter,
    *,
    position: UUID,
    limit: int,
    order: Order = NEWEST_FIRST,
) -> "tuple[list[asyncpg.Record], UUID | None]":
    """Return up to ``limit`` tasks after ``position``, in the order, and the id after which the list continues.

    That id is the last task's that was read. It is None if no further task can match, or if the page is full.
    """
    statement, values = query(tenant_id, wanted, position=position, limit=limit, order=order)
    rows = await connection.fetch(statement, *values)
    is_cut = bool(rows) and rows[-1]["task"] is None
    return (rows[:-1], rows[-1]["task_id"]) if is_cut else (rows, None)
