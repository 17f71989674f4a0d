"""SQL of the operator's commands that read tables of several rooms."""

from datetime import timedelta
from typing import Any

from app.db import Connection
from app.tasks.run import timing


async def has_tenant_any_tenant(connection: Connection) -> bool:
    """Return whether the database has tenants. Only their own secrets file can read them."""
    if await connection.fetchval("SELECT to_regclass('public.tenant') IS NULL"):
        return False
    found: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM public.tenant)")
    return found


async def queues_any_tenant(connection: Connection) -> list[dict[str, Any]]:
    """Return the waiting and running tasks of each tenant."""
    rows = await connection.fetch(
        "SELECT t.slug, 'tenant.' || t.id AS queue, t.status, t.queue_paused,"
        " t.queue_paused_by_tenant, coalesce(b.waiting, 0) AS waiting,"
        " coalesce(s.running, 0) AS running, coalesce(s.running_limit, 0) AS running_limit"
        " FROM tenant t LEFT JOIN tenant_slots s ON s.tenant_id = t.id"
        " LEFT JOIN (SELECT tenant_id, count(*) AS waiting FROM backlog GROUP BY tenant_id) b ON b.tenant_id = t.id"
        " WHERE t.status <> 'deleted' ORDER BY t.slug"
    )
    return [dict(row) for row in rows]


async def status_any_tenant(connection: Connection) -> dict[str, Any]:
    """Return the state of the whole service."""
    row = await connection.fetchrow(
        "SELECT current_database() AS database, current_setting('server_version') AS postgres,"
        " (SELECT version_num FROM alembic_version) AS schema,"
        " (SELECT count(*) FROM tenant WHERE status <> 'deleted') AS tenants,"
        " (SELECT count(*) FROM worker WHERE slots > 0 AND heartbeat_at > now() - $1::interval)"
        " AS workers_alive,"
        " (SELECT count(*) FROM backlog) AS backlog,"
        " (SELECT coalesce(sum(running), 0) FROM tenant_slots) AS running",
        timedelta(seconds=timing.WORKER_DEAD_AFTER),
    )
    return dict(row) if row else {}
