"""SQL of endpoints that were deleted: the deliveries that still wait for them become SKIPPED."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

from app.db import Connection, affected
from app.webhooks import store, url_key

_SOME: Final = "SELECT tenant_id, endpoint_id FROM endpoint_deleted ORDER BY tenant_id, endpoint_id LIMIT $1"

# Rows are compared, and the order names all columns of the index of endpoints, so that no other one can answer
# (docs/decisions/0010-plans-whatever-statistics-know.md). One that is being sent is left to its attempt, and found
# again later. By the place of the row: a join may read the whole table.
_SKIP: Final = """
WITH waiting AS (
    SELECT d.ctid AS place FROM delivery d
    WHERE d.status = 'PENDING' AND (d.tenant_id, d.url_key) >= ($1, $2) AND (d.tenant_id, d.url_key) <= ($1, $2)
      AND (d.claim_token IS NULL OR d.due_at <= now())
    ORDER BY d.tenant_id, d.url_key, d.due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE delivery d SET status = 'SKIPPED', skipped_reason = $4, claim_token = NULL, finished_at = now()
FROM waiting WHERE d.ctid = waiting.place
"""

# Not EXISTS, which needs no order: any index could answer it.
_FORGET: Final = """
DELETE FROM endpoint_deleted e WHERE e.tenant_id = $1 AND e.endpoint_id = $3 AND (
    SELECT d.id FROM delivery d
    WHERE d.status = 'PENDING' AND (d.tenant_id, d.url_key) >= ($1, $2) AND (d.tenant_id, d.url_key) <= ($1, $2)
    ORDER BY d.tenant_id, d.url_key, d.due_at LIMIT 1
) IS NULL
"""


async def some_any_tenant(connection: Connection, limit: int) -> Sequence[tuple[UUID, UUID]]:
    """Return tenants and endpoints for which deliveries may still wait."""
    return [(row["tenant_id"], row["endpoint_id"]) for row in await connection.fetch(_SOME, limit)]


async def skip(connection: Connection, tenant_id: UUID, endpoint_id: UUID, limit: int) -> int:
    """End up to ``limit`` deliveries that wait for an endpoint; return how many there were."""
    key = url_key.of_endpoint(endpoint_id)
    return affected(await connection.execute(_SKIP, tenant_id, key, limit, store.DELETED))


async def forget(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> None:
    """Forget an endpoint for which no delivery waits."""
    await connection.execute(_FORGET, tenant_id, url_key.of_endpoint(endpoint_id), endpoint_id)
