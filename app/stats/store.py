"""SQL of the statistics. Ends are counted by usage_roll_up (app/quotas/store.py), from what they store anyway."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection
from app.stats.buckets import Span

if TYPE_CHECKING:
    import asyncpg

# $1: the tenant; $2: minutes of a bucket; $3, $4: the time; $5: whether to tell task types apart; $6: a task type, or
# null. The tenant's own row has no task type. Without by=task it is added to the others. Histograms are added here,
# because a tenant with many task types has many rows.
_SERIES: Final = """
WITH chosen AS MATERIALIZED (
    SELECT s.starts_at, CASE WHEN $5 THEN s.task ELSE '' END AS task, s.submitted, s.succeeded, s.failed, s.revoked,
        s.retried, s.is_at_limit, s.times
    FROM stat s
    WHERE s.tenant_id = $1 AND s.minutes = $2 AND s.starts_at >= $3 AND s.starts_at < $4
      AND ($6::text IS NULL OR s.task IN ($6, ''))
), counted AS (
    SELECT c.starts_at, c.task, sum(c.submitted)::bigint AS submitted, sum(c.succeeded)::bigint AS succeeded,
        sum(c.failed)::bigint AS failed, sum(c.revoked)::bigint AS revoked, sum(c.retried)::bigint AS retried,
        bool_or(c.is_at_limit) AS is_at_limit
    FROM chosen c GROUP BY 1, 2
), timed AS (
    SELECT k.starts_at, k.task, array_agg(k.n * 256 + k.key) AS times FROM (
        SELECT c.starts_at, c.task, v & 255 AS key, sum(v >> 8)::bigint AS n
        FROM chosen c CROSS JOIN LATERAL unnest(c.times) AS v GROUP BY 1, 2, 3
    ) AS k GROUP BY 1, 2
)
SELECT c.*, coalesce(t.times, '{}') AS times FROM counted c LEFT JOIN timed t USING (starts_at, task)
"""

# By the index of hours: what is read is what all tenants did in that time.
_HOURS: Final = """
SELECT starts_at, sum(submitted)::bigint AS submitted, sum(succeeded)::bigint AS succeeded,
    sum(failed)::bigint AS failed, sum(revoked)::bigint AS revoked, sum(retried)::bigint AS retried
FROM stat WHERE minutes = 60 AND starts_at >= $1 AND starts_at < $2 GROUP BY starts_at
"""

# $2: the token of the dispatcher's lease. Without the lease nothing changes.
_COUNT_SUBMITS: Final = "SELECT stat_count_submits(p_tenants => $1) WHERE (SELECT dispatcher_leads(p_token => $2))"
_MARK_LIMITS: Final = "SELECT stat_mark_limits(p_seconds => $1) WHERE (SELECT dispatcher_leads(p_token => $2))"


async def series(
    connection: Connection, tenant_id: UUID, span: Span, *, by_task: bool, task: str | None
) -> "list[asyncpg.Record]":
    """Return the rows of ``stat`` in a time, one for each bucket and, with ``by_task``, task type.

    A row with the task type "" is the tenant's own. ``task`` selects one task type.
    """
    minutes, first, last = span.bucket.minutes, span.starts_at, span.ends_at
    return list(await connection.fetch(_SERIES, tenant_id, minutes, first, last, by_task, task))


async def hours_any_tenant(connection: Connection, span: Span) -> "list[asyncpg.Record]":
    """Return the counts of all tenants together in the hours of a time."""
    return list(await connection.fetch(_HOURS, span.starts_at, span.ends_at))


async def admitted_any_tenant(connection: Connection) -> dict[UUID, int]:
    """Return how many tasks each tenant has ever submitted, of those that submitted any since yesterday (UTC)."""
    # Yesterday too: a submit just before midnight may be counted after it.
    since = "SELECT tenant_id, admitted FROM tenant_admitted WHERE day >= (now() AT TIME ZONE 'UTC')::date - 1"
    return {row["tenant_id"]: row["admitted"] for row in await connection.fetch(since)}


async def count_submits_any_tenant(connection: Connection, tenant_ids: Sequence[UUID], fence: UUID) -> int:
    """Add the new submits of these tenants (migrations/functions: stat_count_submits); return how many there were.

    ``fence`` is the token of the dispatcher's lease.
    """
    return await connection.fetchval(_COUNT_SUBMITS, tenant_ids, fence) or 0


async def mark_limits_any_tenant(connection: Connection, seconds: float, fence: UUID) -> int:
    """Mark the buckets of tenants that were at their limit in the last ``seconds``; return how many were marked.

    See migrations/functions: stat_mark_limits. ``fence`` as in ``count_submits_any_tenant``.
    """
    return await connection.fetchval(_MARK_LIMITS, seconds, fence) or 0
