"""SQL that reads deliveries for their tenant, and sends one again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.core import ids
from app.db import Connection, call

if TYPE_CHECKING:
    import asyncpg

MAX_ROWS_READ: Final = 5_000
"""The most deliveries that one call of a list with a filter reads."""
MAX_ATTEMPTS: Final = 100
"""The most attempts of a delivery that are shown."""
MAX_OF_A_TASK: Final = 100
"""The most deliveries that are shown with their task."""
MANUALLY: Final = ("DELIVERED", "FAILED", "SKIPPED")
"""Statuses in which a delivery can be sent again."""


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """The conditions that a listed delivery must meet; None means any value."""

    endpoint_id: UUID | None = None
    statuses: Sequence[str] | None = None
    type: str | None = None
    task_id: UUID | None = None
    since: datetime | None = None
    """The time of the event, which the id of a delivery contains."""


_READ: Final = """d.id AS delivery_id, d.event_id, d.endpoint_id, d.url, d.event_type AS type, d.task_id,
        d.status, d.skipped_reason, d.attempt AS attempt_count,
        CASE WHEN d.status = 'PENDING' AND d.claim_token IS NULL THEN d.due_at END AS next_attempt_at, d.created_at,
        d.finished_at"""
# The latest attempt that was recorded. LATERAL with LIMIT 1: it is found by the key, whatever the statistics say.
_LATEST: Final = """
LEFT JOIN LATERAL (
    SELECT w.response_status FROM delivery_attempt w
    WHERE w.tenant_id = $1 AND w.delivery_id = found.delivery_id ORDER BY w.attempt DESC LIMIT 1
) AS latest ON true
"""
_NO_ROW: Final = """NULL::uuid, NULL::uuid, NULL, NULL, NULL::uuid, NULL, NULL, NULL::integer, NULL::timestamptz,
        NULL::timestamptz, NULL::timestamptz, NULL::integer"""


# $1: the tenant; $2, $3: the bounds of ids, without the latter; $4: the most rows; $5 to $8: the filter. No index has
# status and type, so a list reads a bounded number of deliveries. If too few of them match, the last row has only an
# id: that of the last delivery that was read. Both parts are one statement, so they see the same deliveries.
def _page(span: str) -> str:
    return f"""
-- found: the matching deliveries. MATERIALIZED, because it is used twice, for the rows and for their number.
WITH found AS MATERIALIZED (
    -- first: the filter stands outside of this LIMIT, so that it bounds what is read, not what matches.
    SELECT * FROM (SELECT {_READ} FROM delivery d WHERE {span} ORDER BY d.id DESC LIMIT {MAX_ROWS_READ}) AS first
    WHERE ($5::text[] IS NULL OR status = ANY($5)) AND ($6::text IS NULL OR type = $6)
        AND ($7::uuid IS NULL OR endpoint_id = $7) AND ($8::uuid IS NULL OR task_id = $8)
    ORDER BY delivery_id DESC LIMIT $4
)
SELECT found.*, latest.response_status AS last_status FROM found {_LATEST}
UNION ALL
-- last: the last delivery that was read. It exists only if the bound ended the reading and too few were found.
SELECT * FROM (
    SELECT d.id, {_NO_ROW} FROM delivery d
    WHERE {span} AND (SELECT count(*) FROM found) < $4
    ORDER BY d.id DESC OFFSET {MAX_ROWS_READ - 1} LIMIT 1
) AS last
"""  # noqa: S608 constants


_OF_TENANT: Final = _page("d.tenant_id = $1 AND d.id >= $2 AND d.id < $3")
# IS TRUE hides the tenant, so that only the index of endpoints has them in this order
# (docs/decisions/0010-plans-whatever-statistics-know.md).
_OF_ENDPOINT: Final = _page("d.endpoint_id = $7 AND d.id >= $2 AND d.id < $3 AND (d.tenant_id = $1) IS TRUE")
# IS TRUE hides the conditions, so that only the index of tasks can answer: a task has few deliveries.
_OF_TASK: Final = _page("d.task_id = $8 AND (d.tenant_id = $1 AND d.id >= $2 AND d.id < $3) IS TRUE")

_ONE: Final = f"""
SELECT found.*, latest.response_status AS last_status
FROM (SELECT {_READ} FROM delivery d WHERE d.tenant_id = $1 AND d.id = $2 LIMIT 1) AS found {_LATEST}
"""  # noqa: S608 constants

_ATTEMPTS: Final = """
SELECT attempt, started_at, duration_ms, response_status AS status, error, response_body FROM delivery_attempt
WHERE tenant_id = $1 AND delivery_id = $2 ORDER BY attempt DESC LIMIT $3
"""

# The same, newest first, for a task.
_OF_A_TASK: Final = f"""
SELECT found.delivery_id, found.endpoint_id, found.type, found.status, found.attempt_count,
    latest.response_status AS last_status, found.next_attempt_at
FROM (
    SELECT {_READ} FROM delivery d WHERE d.task_id = $2 AND (d.tenant_id = $1) IS TRUE ORDER BY d.id DESC LIMIT $3
) AS found {_LATEST} ORDER BY found.delivery_id DESC
"""  # noqa: S608 constants

_CALL_RESEND: Final = call("deliveries_resend", "tenant", "ids", "statuses", "before")
_RESEND: Final = f"SELECT id, outcome FROM {_CALL_RESEND}"  # noqa: S608 a constant of names


def query(tenant_id: UUID, wanted: DeliveryFilter, *, before: UUID, limit: int) -> tuple[str, Sequence[Any]]:
    """Return the statement of a page and its values."""
    first = ids.FIRST if wanted.since is None else ids.first_id_at(wanted.since.timestamp())
    values = tenant_id, first, before, limit, wanted.statuses, wanted.type, wanted.endpoint_id, wanted.task_id
    if wanted.task_id is not None:
        return _OF_TASK, values
    return (_OF_TENANT if wanted.endpoint_id is None else _OF_ENDPOINT), values


async def page(
    connection: Connection, tenant_id: UUID, wanted: DeliveryFilter, *, before: UUID, limit: int
) -> "tuple[list[asyncpg.Record], UUID | None]":
    """Return up to ``limit`` deliveries older than the id ``before``, newest first, and where the list continues.

    That is the id of the last delivery that was read; None if no further one can match, or if the page is full.
    """
    statement, values = query(tenant_id, wanted, before=before, limit=limit)
    rows = await connection.fetch(statement, *values)
    is_cut = bool(rows) and rows[-1]["status"] is None
    return (rows[:-1], rows[-1]["delivery_id"]) if is_cut else (rows, None)


async def find(connection: Connection, tenant_id: UUID, delivery_id: UUID) -> "asyncpg.Record | None":
    """Return a delivery; None if it is unknown."""
    return await connection.fetchrow(_ONE, tenant_id, delivery_id)


async def attempts(connection: Connection, tenant_id: UUID, delivery_id: UUID) -> "list[asyncpg.Record]":
    """Return the latest attempts of a delivery, the first one first."""
    return list(reversed(await connection.fetch(_ATTEMPTS, tenant_id, delivery_id, MAX_ATTEMPTS)))


async def of_task(connection: Connection, tenant_id: UUID, task_id: UUID) -> "list[asyncpg.Record]":
    """Return the latest deliveries of a task's events, newest first."""
    return list(await connection.fetch(_OF_A_TASK, tenant_id, task_id, MAX_OF_A_TASK))


async def resend(
    connection: Connection,
    tenant_id: UUID,
    delivery_ids: Sequence[UUID],
    *,
    statuses: Sequence[str] = MANUALLY,
    before: datetime | None = None,
) -> dict[UUID, str]:
    """Send those of the deliveries again that have one of the ``statuses``, and have had it at the time ``before``.

    Returns the outcome of each delivery that exists (migrations/functions: deliveries_resend).
    """
    rows = await connection.fetch(_RESEND, tenant_id, delivery_ids, statuses, before)
    return {row["id"]: row["outcome"] for row in rows}
