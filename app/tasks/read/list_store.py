"""SQL that lists a tenant's tasks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from app.core import ids
from app.db import Connection
from app.tasks.read import metadata_store
from app.tasks.read.task_filter import TaskFilter

if TYPE_CHECKING:
    import asyncpg

MAX_ROWS_READ: Final = 5_000
"""The most tasks that one call of a list with a filter reads."""

_ANY: Final = TaskFilter()

_COLUMNS: Final = """id AS task_id, task, status, priority, tags, coalesce(metadata, '{}') AS metadata, attempt,
        progress, error, created_at, started_at, finished_at, erased_at,
        extract(epoch FROM finished_at - started_at)::double precision AS duration_seconds"""
_SPAN: Final = "tenant_id = $1 AND id >= $2 AND id < $3"


def _matches(first: int) -> str:
    """Return the condition of a filter, whose values are parameters from this number on (``_values``)."""
    status, task, tag, created_from, created_to, finished_from, finished_to, metadata = (
        f"${number}" for number in range(first, first + 8)
    )
    return f"""({status}::text[] IS NULL OR status = ANY({status})) AND ({task}::text IS NULL OR task = {task})
        AND ({tag}::text IS NULL OR {tag} = ANY(tags)) AND ({metadata}::jsonb IS NULL OR metadata @> {metadata})
        AND ({created_from}::timestamptz IS NULL OR created_at >= {created_from})
        AND ({created_to}::timestamptz IS NULL OR created_at < {created_to})
        AND ({finished_from}::timestamptz IS NULL OR finished_at >= {finished_from})
        AND ({finished_to}::timestamptz IS NULL OR finished_at < {finished_to})"""


def _values(wanted: TaskFilter) -> Sequence[Any]:
    created, finished = (wanted.created_from, wanted.created_to), (wanted.finished_from, wanted.finished_to)
    return wanted.statuses, wanted.task, wanted.tag, *created, *finished, wanted.metadata


def _list(direction: str) -> str:
    return f"SELECT {_COLUMNS} FROM task WHERE {_SPAN} ORDER BY id {direction} LIMIT $4"  # noqa: S608 constants


# There is no index for a filter, because it would make each submit, claim and end more expensive; metadata and errors
# alone have one. So a list reads a bounded number of tasks. If too few of them match, the last row has only an id, that
# of the last task that was read. Both parts are one statement, so they see the same tasks.
def _filtered(direction: str, source: str, ids: str) -> str:
    """Return the statement of a list with a filter.

    ``source`` is what the tasks are read from, ``ids`` the column and table with the ids of all of them.
    """
    return f"""
-- found: the matching tasks. MATERIALIZED, because it is used twice, for the rows and for their number.
WITH found AS MATERIALIZED (
    -- first: the filter stands outside of this LIMIT, so that it bounds the tasks that are read, not those that match.
    SELECT * FROM (
        SELECT {_COLUMNS} FROM {source} ORDER BY id {direction} LIMIT {MAX_ROWS_READ}
    ) AS first
    WHERE {_matches(5)}
    ORDER BY task_id {direction} LIMIT $4
)
SELECT * FROM found
UNION ALL
-- last: the last task that was read. It exists only if the bound ended the reading and too few tasks were found.
SELECT * FROM (
    SELECT read.id, NULL, NULL, NULL::smallint, NULL::text[], NULL::jsonb, NULL::integer, NULL::jsonb, NULL::jsonb,
        NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::double precision
    FROM (SELECT {ids}) AS read (id) WHERE (SELECT count(*) FROM found) < $4
    ORDER BY id {direction} OFFSET {MAX_ROWS_READ - 1} LIMIT 1
) AS last
"""  # noqa: S608 constants


# $13: an error. Its tasks are in the order of an index. IS TRUE hides the tenant from the planner, so
# that only this index can answer. LATERAL with LIMIT as below. id is that of the link, so that
# Postgres knows that this order is that of the list, and reads no task that is not needed.
def _of_error(direction: str) -> str:
    links = "FROM error_task WHERE (tenant_id = $1) IS TRUE AND error_id = $13 AND task_id >= $2 AND task_id < $3"
    tasks = f"""(SELECT task_id AS id {links} ORDER BY task_id {direction} LIMIT {MAX_ROWS_READ}) AS linked
        CROSS JOIN LATERAL (
            SELECT w.task, w.status, w.priority, w.tags, w.metadata, w.attempt, w.progress, w.error, w.created_at,
                w.started_at, w.finished_at, w.erased_at
            FROM task w WHERE w.tenant_id = $1 AND w.id = linked.id LIMIT 1
        ) AS known"""  # noqa: S608 constants
    return _filtered(direction, tasks, f"task_id {links}")


# $2: ids, at most MAX_ROWS_READ. LATERAL with LIMIT 1: each task is found by its key, whatever the statistics say.
def _named(direction: str) -> str:
    return f"""
SELECT {_COLUMNS} FROM unnest($2::uuid[]) AS wanted (task_id)
CROSS JOIN LATERAL (SELECT * FROM task w WHERE w.tenant_id = $1 AND w.id = wanted.task_id LIMIT 1) AS found
WHERE {_matches(4)} ORDER BY id {direction} LIMIT $3
"""  # noqa: S608 constants


class Order(NamedTuple):
    """The statements of one order, and whether it begins with the oldest task."""

    every: str
    filtered: str
    named: str
    of_error: str
    is_ascending: bool


def _order(direction: str, *, is_ascending: bool) -> Order:
    filtered = _filtered(direction, f"task WHERE {_SPAN}", f"id FROM task WHERE {_SPAN}")
    return Order(_list(direction), filtered, _named(direction), _of_error(direction), is_ascending)


NEWEST_FIRST: Final = _order("DESC", is_ascending=False)
OLDEST_FIRST: Final = _order("ASC", is_ascending=True)


def query(
    tenant_id: UUID, wanted: TaskFilter, *, position: UUID, limit: int, order: Order = NEWEST_FIRST
) -> tuple[str, Sequence[Any]]:
    """Return the statement of a page and its values. ``position`` is the id after which the page begins."""
    span = tenant_id, *_span(wanted, position, order), limit
    if wanted.error_id is not None:
        return order.of_error, (*span, *_values(wanted), wanted.error_id)
    return (order.every, span) if wanted == _ANY else (order.filtered, (*span, *_values(wanted)))


def _span(wanted: TaskFilter, position: UUID, order: Order) -> tuple[UUID, UUID]:
    """Return the lowest id that may be listed, and the first id beyond the highest."""
    # Ids begin with their time, so a range of times is a range of the primary key. No task ends before it is created.
    ends = [moment for moment in (wanted.created_to, wanted.finished_to) if moment is not None]
    first, last = ids.between(wanted.created_from, min(ends, default=None))
    if order.is_ascending:
        return max(first, UUID(int=min(position.int + 1, ids.LAST.int))), last
    return first, min(last, position)


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
    if wanted.metadata is not None and wanted.error_id is None:
        first, last = _span(wanted, position, order)
        named = await metadata_store.with_label(
            connection, tenant_id, wanted.metadata, first=first, last=last, limit=MAX_ROWS_READ + 1
        )
        # A value that more tasks have is frequent, so the bounded reading below finds some soon.
        if len(named) <= MAX_ROWS_READ:
            return list(await connection.fetch(order.named, tenant_id, named, limit, *_values(wanted))), None
    statement, values = query(tenant_id, wanted, position=position, limit=limit, order=order)
    rows = await connection.fetch(statement, *values)
    is_cut = bool(rows) and rows[-1]["task"] is None
    return (rows[:-1], rows[-1]["task_id"]) if is_cut else (rows, None)
