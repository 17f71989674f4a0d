"""SQL of the operator's commands that read tables of several rooms."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from app.broker.ring import RINGS
from app.db import Connection
from app.tasks.run import timing


async def has_tenant_any_tenant(connection: Connection) -> bool:
    """Return whether the database has tenants. Only their own secrets file can read them."""
    if await connection.fetchval("SELECT to_regclass('public.tenant') IS NULL"):
        return False
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM public.tenant)")
    return found


async def queues_any_tenant(connection: Connection) -> list[dict[str, Any]]:
    """Return the waiting and running tasks of each tenant, by slug."""
    # What the ledger counts, and not rows of the backlog: a tenant may have a million of them.
    rows = await connection.fetch(
        "SELECT t.id AS tenant_id, t.slug, t.name, t.plan, 'tenant.' || t.id AS queue, t.status, t.queue_paused,"
        " t.queue_paused_by_tenant,"
        " coalesce(a.admitted, 0) + coalesce(s.returned, 0) - coalesce(s.departed, 0) AS waiting,"
        " coalesce(s.running, 0) AS running, coalesce(s.running_limit, 0) AS running_limit, t.created_at"
        " FROM tenant t LEFT JOIN tenant_slots s ON s.tenant_id = t.id"
        " LEFT JOIN tenant_admitted a ON a.tenant_id = t.id"
        " WHERE t.status <> 'deleted' ORDER BY t.slug"
    )
    return [dict(row) for row in rows]


# The index begins with pool, tenant and priority, so each probe reads one row of it, whatever waits.
_OLDEST: Final = """
SELECT tenant.id AS tenant_id, min(first.due_at) AS due_at
FROM unnest($1::uuid[]) AS tenant (id) CROSS JOIN unnest($2::text[]) AS pool (name)
CROSS JOIN generate_series(0, 9) AS level (priority)
CROSS JOIN LATERAL (
    SELECT b.due_at FROM backlog b
    WHERE b.pool = pool.name AND b.tenant_id = tenant.id AND b.priority = level.priority ORDER BY b.due_at LIMIT 1
) AS first
GROUP BY tenant.id
"""


async def oldest_due_any_tenant(connection: Connection, tenant_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return the time since which, or at which, the first waiting task of each of these tenants is due."""
    return {row["tenant_id"]: row["due_at"] for row in await connection.fetch(_OLDEST, list(tenant_ids), list(RINGS))}


async def status_any_tenant(connection: Connection) -> dict[str, Any]:
    """Return the state of the whole service."""
    row = await connection.fetchrow(
        "SELECT current_database() AS database, current_setting('server_version') AS postgres,"
        " (SELECT version_num FROM alembic_version) AS schema,"
        " (SELECT count(*) FROM tenant WHERE status <> 'deleted') AS tenants,"
        " (SELECT count(*) FROM worker WHERE slots > 0 AND heartbeat_at > now() - $1::interval)"
        " AS workers_alive,"
        " ((SELECT coalesce(sum(admitted), 0) FROM tenant_admitted)"
        " + (SELECT coalesce(sum(returned - departed), 0) FROM tenant_slots))::bigint AS backlog,"
        " (SELECT coalesce(sum(running), 0) FROM tenant_slots) AS running",
        timedelta(seconds=timing.WORKER_DEAD_AFTER),
    )
    return dict(row) if row else {}


async def usage_any_tenant(connection: Connection) -> list[dict[str, Any]]:
    """Return the accepted tasks of this day and month (UTC) of each tenant, with its plan and overrides."""
    rows = await connection.fetch(
        "SELECT t.slug, t.plan, t.limits, coalesce(CASE WHEN a.day >= p.day THEN a.day_used END, 0) AS day,"
        " coalesce(CASE WHEN a.month >= p.month THEN a.month_used END, 0) AS month"
        " FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS day,"
        " date_trunc('month', now() AT TIME ZONE 'UTC')::date AS month) AS p"
        " CROSS JOIN tenant t LEFT JOIN tenant_admitted a ON a.tenant_id = t.id"
        " WHERE t.status <> 'deleted' ORDER BY 5 DESC, t.slug"
    )
    return [dict(row) for row in rows]


async def workers_any_tenant(connection: Connection) -> list[dict[str, Any]]:
    """Return each worker process, those that live first. ``alive`` is decided as the dispatcher does."""
    rows = await connection.fetch(
        "SELECT id AS worker_id, hostname, pid, pool, slots, cardinality(claim_tokens) AS running,"
        " heartbeat_at > now() - $1::interval AS alive, started_at,"
        " round(extract(epoch FROM now() - heartbeat_at))::integer AS last_seen_seconds, task_types"
        " FROM worker ORDER BY alive DESC, hostname, pool, pid",
        timedelta(seconds=timing.WORKER_DEAD_AFTER),
    )
    return [dict(row) for row in rows]


async def task(connection: Connection, tenant_id: UUID, task_id: UUID) -> dict[str, Any] | None:
    """Return a task without what only its tenant may read."""
    row = await connection.fetchrow(
        "SELECT id AS task_id, task, pool, status, priority, attempt AS attempt_count, max_attempts, created_at,"
        " scheduled_at, due_at, expires_at, cancel_requested_at, finished_at"
        " FROM task WHERE tenant_id = $1 AND id = $2",
        tenant_id,
        task_id,
    )
    return dict(row) if row else None


async def attempts(connection: Connection, tenant_id: UUID, task_id: UUID) -> list[dict[str, Any]]:
    """Return the attempts of a task, with the host and process of their worker as long as that is known."""
    rows = await connection.fetch(
        "SELECT a.attempt, a.status, a.started_at, a.finished_at, w.hostname || ':' || w.pid AS worker, a.worker_id"
        " FROM attempt a LEFT JOIN worker w ON w.id = a.worker_id"
        " WHERE a.tenant_id = $1 AND a.task_id = $2 ORDER BY a.attempt",
        tenant_id,
        task_id,
    )
    return [dict(row) for row in rows]


async def deliveries_of(connection: Connection, tenant_id: UUID, task_id: UUID) -> list[dict[str, Any]]:
    """Return the deliveries of a task's events, oldest first."""
    rows = await connection.fetch(
        "SELECT id AS delivery_id, endpoint_id, event_type AS type, status, attempt AS attempt_count"
        " FROM delivery WHERE tenant_id = $1 AND task_id = $2 ORDER BY id",
        tenant_id,
        task_id,
    )
    return [dict(row) for row in rows]
