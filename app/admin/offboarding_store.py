"""SQL of a tenant's end (migrations/functions: cancel_tenant, erase_tenant)."""

from typing import Final
from uuid import UUID

from app.db import Connection, call

_CANCEL: Final = f"SELECT {call('cancel_tenant', 'tenant')} AS id"
_ERASE: Final = f"SELECT name, erased FROM {call('erase_tenant', 'tenant', 'limit')}"  # noqa: S608 a constant of names


async def cancel_tenant(connection: Connection, tenant_id: UUID) -> list[UUID]:
    """Ask every running task of a deleted tenant to end, and return their ids."""
    return [row["id"] for row in await connection.fetch(_CANCEL, tenant_id)]


async def erase_tenant(connection: Connection, tenant_id: UUID, limit: int) -> dict[str, int]:
    """Erase up to ``limit`` rows of each table, and the tenant itself when none is left. Return the erased rows."""
    rows = await connection.fetch(_ERASE, tenant_id, limit)
    return {row["name"]: row["erased"] for row in rows}


async def running(connection: Connection, tenant_id: UUID) -> int:
    """Return the number of the tenant's running tasks."""
    found: int | None = await connection.fetchval("SELECT running FROM tenant_slots WHERE tenant_id = $1", tenant_id)
    return found or 0
