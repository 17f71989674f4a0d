"""SQL of the ledger."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING
from uuid import UUID

from app.db import Connection

if TYPE_CHECKING:
    import asyncpg

_PERIODS = """
SELECT today, month, today + 1 AS tomorrow, (month + interval '1 month')::date AS next_month,
    ceil(extract(epoch FROM today + interval '1 day' - (now() AT TIME ZONE 'UTC')))::integer AS day_ends_in,
    ceil(extract(epoch FROM month + interval '1 month' - (now() AT TIME ZONE 'UTC')))::integer AS month_ends_in,
    coalesce((SELECT used FROM usage WHERE tenant_id = $1 AND period = 'day' AND starts_on = today), 0) AS day_used,
    coalesce((SELECT used FROM usage WHERE tenant_id = $1 AND period = 'month' AND starts_on = month), 0) AS month_used
FROM (
    SELECT (now() AT TIME ZONE 'UTC')::date AS today, date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month
) AS periods
"""

_HELD = """
SELECT s.running, coalesce(a.admitted, 0) + s.returned - s.departed AS waiting
FROM tenant_slots s LEFT JOIN tenant_admitted a ON a.tenant_id = s.tenant_id WHERE s.tenant_id = $1
"""

# One statement, so that the sums by task type are those of the periods. Attempts that are not added to their day yet
# are counted too: what is read is exact at every moment.
_REPORT = f"""
SELECT p.*, c.day, c.task, c.tasks, c.attempts, c.worker_seconds
FROM ({_PERIODS}) AS p LEFT JOIN LATERAL (
    SELECT u.day, u.task, sum(u.tasks)::bigint AS tasks, sum(u.attempts)::bigint AS attempts,
        sum(u.seconds) AS worker_seconds
    FROM (
        SELECT day, task, tasks, attempts, worker_seconds AS seconds FROM usage_by_task WHERE tenant_id = $1
        UNION ALL
        SELECT day, task, 0, attempts, seconds FROM worker_time WHERE tenant_id = $1
    ) AS u
    WHERE u.day BETWEEN p.month AND p.today
        OR u.day BETWEEN coalesce($2::date, p.month) AND coalesce($3::date, p.today)
    GROUP BY u.day, u.task
) AS c ON true
ORDER BY c.day, c.task
"""  # noqa: S608 no value is in it


async def periods(connection: Connection, tenant_id: UUID) -> "asyncpg.Record":
    """Return what is used in the current day and month, and when they begin and end."""
    row = await connection.fetchrow(_PERIODS, tenant_id)
    assert row is not None  # noqa: S101 one row, whatever the tenant
    return row


async def held(connection: Connection, tenant_id: UUID) -> "asyncpg.Record | None":
    """Return how many of the tenant's tasks run and wait."""
    return await connection.fetchrow(_HELD, tenant_id)


async def report(
    connection: Connection, tenant_id: UUID, first: date | None, last: date | None
) -> "list[asyncpg.Record]":
    """Return what ``periods`` does, with what each task type used in each day of this month and of the range.

    At least one row: without any use, its ``day`` is null.
    """
    return list(await connection.fetch(_REPORT, tenant_id, first, last))


@dataclass(frozen=True, slots=True)
class RolledUp:
    """What has ended of one task type of a tenant."""

    tenant_id: UUID
    task: str
    attempts: int
    seconds: float
    long_attempts: int
    """Those that ran for more than a second."""


async def roll_up_any_tenant(connection: Connection, limit: int, fence: UUID) -> list[RolledUp]:
    """Add up to ``limit`` ended attempts to their days; return what was added (usage_roll_up).

    ``fence`` is the token of the dispatcher's lease: without the lease nothing is changed.
    """
    rows = await connection.fetch(
        "SELECT tenant_id, task, attempts, seconds, long_attempts FROM usage_roll_up($1) "
        "WHERE (SELECT dispatcher_leads($2))",
        limit,
        fence,
    )
    return [RolledUp(**row) for row in rows]


_RECONCILE = """
SELECT tenant_id, running_off, running_asyncio_off, waiting_off FROM ledger_reconcile()
WHERE (SELECT dispatcher_leads($1))
"""


async def reconcile_any_tenant(connection: Connection, fence: UUID) -> "list[asyncpg.Record]":
    """Make running and waiting counts what the rows say; return those that were off (ledger_reconcile).

    ``fence`` as in ``roll_up_any_tenant``.
    """
    return list(await connection.fetch(_RECONCILE, fence))
