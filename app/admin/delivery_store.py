"""SQL of the operator's commands about deliveries."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection

if TYPE_CHECKING:
    import asyncpg

# LATERAL with LIMIT 1: the latest attempt is found by its key, whatever the statistics say.
_LATEST: Final = """
SELECT d.id AS delivery_id, d.endpoint_id, d.url_key AS url, d.event_type AS type, d.task_id, d.status,
    d.skipped_reason, d.attempt AS attempt_count, a.response_status AS last_status,
    CASE WHEN d.status = 'PENDING' AND d.claim_token IS NULL THEN d.due_at END AS next_attempt_at, d.created_at,
    d.finished_at
FROM delivery d LEFT JOIN LATERAL (
    SELECT w.response_status FROM delivery_attempt w
    WHERE w.tenant_id = d.tenant_id AND w.delivery_id = d.id ORDER BY w.attempt DESC LIMIT 1
) AS a ON true
WHERE d.tenant_id = $1 AND d.id >= $2 AND ($3::text IS NULL OR d.status = $3)
    AND ($4::uuid IS NULL OR d.endpoint_id = $4)
ORDER BY d.id DESC LIMIT $5
"""


async def latest(
    connection: Connection, tenant_id: UUID, *, since: UUID, status: str | None, endpoint_id: UUID | None, limit: int
) -> "list[asyncpg.Record]":
    """Return the latest deliveries from the id ``since`` on, newest first."""
    return list(await connection.fetch(_LATEST, tenant_id, since, status, endpoint_id, limit))


_LAG: Final = """
SELECT extract(epoch FROM now() - min(due_at))::float8 FROM delivery WHERE status = 'PENDING' AND claim_token IS NULL
"""


async def lag_any_tenant(connection: Connection) -> float | None:
    """Return for how many seconds the first waiting delivery has been due; negative if it is due later."""
    lag: float | None = await connection.fetchval(_LAG)
    return lag
