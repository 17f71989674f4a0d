"""SQL by which operators look at the schedules of all tenants."""

from typing import Any, Final

from app.db import Connection

# The latest outcome is one probe of a key for each schedule.
_ALL: Final = """
SELECT t.slug, s.id AS schedule_id, s.name,
    coalesce(s.cron || ' ' || s.timezone, 'every ' || s.every_seconds || ' s') AS times,
    s.task, s.next_fire_at, s.paused_by, (
        SELECT f.outcome FROM schedule_fire f WHERE f.tenant_id = s.tenant_id AND f.schedule_id = s.id
        ORDER BY f.fire_at DESC LIMIT 1
    ) AS last_outcome
FROM schedule s JOIN tenant t ON t.id = s.tenant_id
WHERE $1::text IS NULL OR t.slug = $1
ORDER BY s.next_fire_at NULLS LAST, s.id LIMIT $2
"""
_MAX_SHOWN: Final = 1_000


async def list_any_tenant(connection: Connection, slug: str | None) -> list[dict[str, Any]]:
    """Return schedules of every tenant, or of the one with the slug, those first that fire next; at most 1,000."""
    return [dict(row) for row in await connection.fetch(_ALL, slug, _MAX_SHOWN)]
