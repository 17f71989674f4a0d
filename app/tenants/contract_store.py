"""What each tenant was promised, as plain values: the dispatcher needs no model of a table."""

from uuid import UUID

from app.db import Connection


async def contracts_any_tenant(connection: Connection) -> list[tuple[UUID, str, dict[str, int]]]:
    """Return every tenant's id, plan and overrides."""
    rows = await connection.fetch("SELECT id, plan, limits FROM tenant")
    return [(row["id"], row["plan"], row["limits"]) for row in rows]
