"""SQL of tests of endpoints: deliveries that are about no event."""

from typing import Any, Final
from uuid import UUID

from app.db import Connection, affected
from app.processes.heartbeat import STALE
from app.webhooks import url_key

# Any process that delivers and is alive will do. The table has a row for each process.
_IS_SENDER_ALIVE: Final = """
SELECT EXISTS (
    SELECT FROM process_heartbeat WHERE kind = 'webhooks' AND heartbeat_at > now() - make_interval(secs => $1)
)
"""
_INSERT: Final = """
INSERT INTO delivery (tenant_id, id, event_id, endpoint_id, event_type, url, url_key, body)
VALUES ($1, $2, $2, $3, $4, $5, $6, $7)
"""
_FIND: Final = """
SELECT d.status, a.response_status, a.duration_ms, a.error, a.response_body FROM delivery d
JOIN LATERAL (
    SELECT t.response_status, t.duration_ms, t.error, t.response_body FROM delivery_attempt t
    WHERE t.tenant_id = d.tenant_id AND t.delivery_id = d.id ORDER BY t.attempt DESC LIMIT 1
) AS a ON true
WHERE d.tenant_id = $1 AND d.id = $2 AND (d.status <> 'PENDING') IS TRUE
"""
# IS TRUE keeps the partial indexes of waiting deliveries out: the row is found by its key.
_WITHDRAW: Final = """
UPDATE delivery SET status = 'SKIPPED', skipped_reason = $3, finished_at = now()
WHERE tenant_id = $1 AND id = $2 AND (status = 'PENDING' AND attempt = 0) IS TRUE
"""


async def is_sender_alive_any_tenant(connection: Connection) -> bool:
    """Return whether a process that delivers is alive."""
    return bool(await connection.fetchval(_IS_SENDER_ALIVE, STALE))


async def insert(
    connection: Connection, tenant_id: UUID, delivery_id: UUID, endpoint_id: UUID, *, kind: str, url: str, body: str
) -> None:
    """Insert a delivery that is due now."""
    key = url_key.of_endpoint(endpoint_id)
    await connection.execute(_INSERT, tenant_id, delivery_id, endpoint_id, kind, url, key, body)


async def find(connection: Connection, tenant_id: UUID, delivery_id: UUID) -> dict[str, Any] | None:
    """Return the answer to a test once it has ended."""
    row = await connection.fetchrow(_FIND, tenant_id, delivery_id)
    return dict(row) if row else None


async def withdraw(connection: Connection, tenant_id: UUID, delivery_id: UUID, reason: str) -> bool:
    """End a test that nobody has begun to send; return whether it was so."""
    return affected(await connection.execute(_WITHDRAW, tenant_id, delivery_id, reason)) == 1
