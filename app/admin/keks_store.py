"""SQL of what is sealed under a key-encryption key."""

from uuid import UUID

from app.db import Connection


async def sealed_otherwise_any_tenant(connection: Connection, prefix: str, limit: int) -> list[tuple[UUID, UUID, str]]:
    """Return tenant, id and sealed text of secrets which do not begin with a prefix, locked."""
    rows = await connection.fetch(
        "SELECT tenant_id, id, sealed FROM webhook_secret WHERE NOT starts_with(sealed, $1)"
        " ORDER BY tenant_id, id LIMIT $2 FOR UPDATE",
        prefix,
        limit,
    )
    return [(row["tenant_id"], row["id"], row["sealed"]) for row in rows]


async def reseal(connection: Connection, tenant_id: UUID, secret_id: UUID, sealed: str) -> None:
    """Write a secret that was sealed anew."""
    await connection.execute(
        "UPDATE webhook_secret SET sealed = $3 WHERE tenant_id = $1 AND id = $2", tenant_id, secret_id, sealed
    )


async def kek_ids_any_tenant(owner: Connection) -> list[str]:
    """Return the ids of the keys in use; none where the table is not there yet."""
    if await owner.fetchval("SELECT to_regclass('public.webhook_secret') IS NULL"):
        return []
    rows = await owner.fetch("SELECT DISTINCT split_part(sealed, '.', 2) AS kek_id FROM public.webhook_secret")
    return [row["kek_id"] for row in rows]
