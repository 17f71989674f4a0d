"""SQL of sealed values, for a rotation of the key-encryption key."""

from typing import Final
from uuid import UUID

from app.db import Connection
from app.tenants.sealed_values import ENDPOINT_HEADERS, ENDPOINT_SECRET, WEBHOOK_SECRET, SealedColumn

# The rows are locked in the order of their ids, so that two rotations at once cannot deadlock.
_OTHERWISE: Final = {
    WEBHOOK_SECRET: """
SELECT tenant_id, id, sealed FROM webhook_secret WHERE NOT starts_with(sealed, $1)
ORDER BY tenant_id, id LIMIT $2 FOR UPDATE
""",
    ENDPOINT_SECRET: """
SELECT tenant_id, id, sealed FROM endpoint_secret WHERE NOT starts_with(sealed, $1)
ORDER BY tenant_id, id LIMIT $2 FOR UPDATE
""",
    ENDPOINT_HEADERS: """
SELECT tenant_id, id, sealed_headers AS sealed FROM endpoint WHERE NOT starts_with(sealed_headers, $1)
ORDER BY tenant_id, id LIMIT $2 FOR UPDATE
""",
}
_RESEAL: Final = {
    WEBHOOK_SECRET: "UPDATE webhook_secret SET sealed = $3 WHERE tenant_id = $1 AND id = $2",
    ENDPOINT_SECRET: "UPDATE endpoint_secret SET sealed = $3 WHERE tenant_id = $1 AND id = $2",
    ENDPOINT_HEADERS: "UPDATE endpoint SET sealed_headers = $3 WHERE tenant_id = $1 AND id = $2",
}
_KEK_IDS: Final = """
SELECT split_part(sealed, '.', 2) AS kek_id FROM public.webhook_secret
UNION SELECT split_part(sealed, '.', 2) FROM public.endpoint_secret
UNION SELECT split_part(sealed_headers, '.', 2) FROM public.endpoint WHERE sealed_headers IS NOT NULL
"""


async def sealed_otherwise_any_tenant(
    connection: Connection, column: SealedColumn, prefix: str, limit: int
) -> list[tuple[UUID, UUID, str]]:
    """Return tenant, id and text of the column's values that do not begin with ``prefix``, and lock their rows."""
    rows = await connection.fetch(_OTHERWISE[column], prefix, limit)
    return [(row["tenant_id"], row["id"], row["sealed"]) for row in rows]


async def reseal(connection: Connection, tenant_id: UUID, column: SealedColumn, row_id: UUID, sealed: str) -> None:
    """Write a value that was sealed again."""
    await connection.execute(_RESEAL[column], tenant_id, row_id, sealed)


async def kek_ids_any_tenant(owner: Connection) -> list[str]:
    """Return the ids of the key-encryption keys in use; none when the tables do not exist yet."""
    # bootstrap runs before migrate, so in a new database the tables are still missing.
    if await owner.fetchval("SELECT to_regclass('public.webhook_secret') IS NULL"):
        return []
    return [row["kek_id"] for row in await owner.fetch(_KEK_IDS)]
