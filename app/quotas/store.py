"""SQL of the ledger.

The waiting tasks of a tenant are never counted: ``waiting = admitted + returned - departed``, whose counters every
write keeps in its own transaction.
"""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from app.db import Connection

if TYPE_CHECKING:
    import asyncpg

# $1: the tenant. The current day and month (UTC) with their ends, seconds until these, and the tasks accepted in them.
_PERIODS = """
SELECT today, periods.month, today + 1 AS tomorrow, (periods.month + interval '1 month')::date AS next_month,
    ceil(extract(epoch FROM today + interval '1 day' - (now() AT TIME ZONE 'UTC')))::integer AS day_ends_in,
    ceil(extract(epoch FROM periods.month + interval '1 month' - (now() AT TIME ZONE 'UTC')))::integer AS month_ends_in,
    coalesce(CASE WHEN a.day >= today THEN a.day_used END, 0) AS day_used,
    coalesce(CASE WHEN a.month >= periods.month THEN a.month_used END, 0) AS month_used
FROM (
    SELECT (now() AT TIME ZONE 'UTC')::date AS today, date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month
) AS periods LEFT JOIN tenant_admitted a ON a.tenant_id = $1
"""

# $1: the tenant. Both rows are kept by the claims and submits themselves, so nothing is counted here.
_RUNNING_AND_WAITING = """
SELECT s.running, coalesce(a.admitted, 0) + s.returned - s.departed AS waiting
FROM tenant_slots s LEFT JOIN tenant_admitted a ON a.tenant_id = s.tenant_id WHERE s.tenant_id = $1
"""

# $1: the tenant; $2, $3: the first and last day, or null. One statement, so that the sums by task type fit the totals
# of the periods. Attempts in worker_time that were not yet added to their day are counted too, which makes the report
# exact at every moment.
_REPORT = f"""
SELECT p.*, c.day, c.task, c.tasks, c.attempts, c.worker_seconds
FROM ({_PERIODS}) AS p LEFT JOIN LATERAL (
    SELECT u.day, u.task, sum(u.tasks)::bigint AS tasks, sum(u.attempts)::bigint AS attempts,
        sum(u.seconds) AS worker_seconds
    FROM (
        SELECT day, task, tasks, attempts, worker_seconds AS seconds FROM usage_by_task WHERE tenant_id = $1
        UNION ALL
        SELECT (ended_at AT TIME ZONE 'UTC')::date, task, 0, attempts, seconds FROM worker_time WHERE tenant_id = $1
    ) AS u
    WHERE u.day BETWEEN p.month AND p.today
        OR u.day BETWEEN coalesce($2::date, p.month) AND coalesce($3::date, p.today)
    GROUP BY u.day, u.task
) AS c ON true
ORDER BY c.day, c.task
"""  # noqa: S608 no value is in it


async def periods(connection: Connection, tenant_id: UUID) -> "asyncpg.Record":
    """Return the usage of the current day and month, with their first days and ends."""
    row = await connection.fetchrow(_PERIODS, tenant_id)
    assert row is not None  # noqa: S101 one row, whatever the tenant
    return row


async def running_and_waiting(connection: Connection, tenant_id: UUID) -> "asyncpg.Record | None":
    """Return the numbers of the tenant's running and waiting tasks."""
    return await connection.fetchrow(_RUNNING_AND_WAITING, tenant_id)


class QueuePauses(NamedTuple):
    """The two pauses of a tenant's queue, each with whether it is there."""

    by_tenant: bool
    by_operator: bool


async def queue_pauses(connection: Connection, tenant_id: UUID) -> QueuePauses:
    """Return who has paused the tenant's queue."""
    row = await connection.fetchrow("SELECT queue_paused_by_tenant, queue_paused FROM tenant WHERE id = $1", tenant_id)
    # A tenant that is being erased has no row.
    return QueuePauses(*row) if row else QueuePauses(by_tenant=False, by_operator=False)


async def report(
    connection: Connection, tenant_id: UUID, first: date | None, last: date | None
) -> "list[asyncpg.Record]":
    """Return the columns of ``periods`` with the usage of each task type in each day of this month and of the range.

    There is at least one row. Without any usage its ``day`` is null.
    """
    return list(await connection.fetch(_REPORT, tenant_id, first, last))


@dataclass(frozen=True, slots=True)
class RolledUp:
    """The ended attempts of one task type of a tenant."""

    tenant_id: UUID
    task: str
    attempts: int
    seconds: float
    long_attempts: int
    """Attempts that ran for more than a second."""


async def roll_up_any_tenant(
    connection: Connection, limit: int, fence: UUID, *, short_attempt: float
) -> list[RolledUp]:
    """Add up to ``limit`` ended attempts to their days, and return them (SQL function usage_roll_up).

    ``fence`` is the token of the dispatcher's lease. Without the lease nothing changes. Attempts that ran longer than
    ``short_attempt`` seconds are long.
    """
    rows = await connection.fetch(
        "SELECT tenant_id, task, attempts, seconds, long_attempts "
        "FROM usage_roll_up(p_limit => $1, p_short_attempt => $2) WHERE (SELECT dispatcher_leads($3))",
        limit,
        short_attempt,
        fence,
    )
    return [RolledUp(**row) for row in rows]


# $1: the token of the lease. A dispatcher that does not lead corrects nothing.
_RECONCILE = """
SELECT tenant_id, running_off, running_asyncio_off, running_http_off, leased_off, waiting_off FROM ledger_reconcile()
WHERE (SELECT dispatcher_leads($1))
"""


async def reconcile_any_tenant(connection: Connection, fence: UUID) -> "list[asyncpg.Record]":
    """Correct the running and waiting counts by the rows, and return the wrong ones (SQL function ledger_reconcile).

    ``fence`` as in ``roll_up_any_tenant``.
    """
    return list(await connection.fetch(_RECONCILE, fence))
