"""The rows of tenants, their slots and their webhook secrets."""

from collections.abc import Mapping
from uuid import UUID

from app.db import Connection, affected
from app.models.tenant import Tenant

_COLUMNS = "id, slug, name, plan, status, queue_paused, limits, created_at"


async def insert(connection: Connection, tenant_id: UUID, *, slug: str, name: str, plan: str) -> bool:
    """Insert a tenant; ``False`` when the slug is taken."""
    tag = await connection.execute(
        "INSERT INTO tenant (id, slug, name, plan) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING",
        tenant_id,
        slug,
        name,
        plan,
    )
    return affected(tag) == 1


async def find_by_slug_any_tenant(connection: Connection, slug: str) -> Tenant | None:
    """Return the tenant of a slug; a deleted one is none."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE slug = $1 AND status <> 'deleted'",  # noqa: S608 constants
        slug,
    )
    return Tenant(**row) if row else None


async def find_leaving_any_tenant(connection: Connection, slug: str) -> Tenant | None:
    """Return the tenant of a slug, one that is being deleted too, and lock it."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE slug = $1 FOR NO KEY UPDATE",  # noqa: S608 constants
        slug,
    )
    return Tenant(**row) if row else None


async def list_any_tenant(connection: Connection) -> list[Tenant]:
    """Return every tenant, by slug."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM tenant ORDER BY slug")  # noqa: S608 constants
    return [Tenant(**row) for row in rows]


async def lock(connection: Connection, tenant_id: UUID) -> Tenant | None:
    """Return a tenant that nobody else changes until the transaction ends; a deleted one is none."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE id = $1 AND status <> 'deleted' FOR NO KEY UPDATE",  # noqa: S608 constants
        tenant_id,
    )
    return Tenant(**row) if row else None


async def set_contract(connection: Connection, tenant_id: UUID, plan: str, limits: Mapping[str, int]) -> None:
    """Write a tenant's plan and its overrides."""
    await connection.execute("UPDATE tenant SET plan = $2, limits = $3 WHERE id = $1", tenant_id, plan, dict(limits))


async def set_running_limit(connection: Connection, tenant_id: UUID, running_limit: int) -> None:
    """Write how many tasks may run at once; the slots are made when they are missing."""
    await connection.execute(
        "INSERT INTO tenant_slots (tenant_id, running_limit) VALUES ($1, $2)"
        " ON CONFLICT (tenant_id) DO UPDATE SET running_limit = excluded.running_limit",
        tenant_id,
        running_limit,
    )


async def set_status(connection: Connection, tenant_id: UUID, status: str) -> None:
    """Write ``active``, ``suspended`` or ``deleted``."""
    await connection.execute("UPDATE tenant SET status = $2 WHERE id = $1", tenant_id, status)


async def set_queue_paused(connection: Connection, tenant_id: UUID, *, is_paused: bool) -> None:
    """Write whether the tenant's tasks wait."""
    await connection.execute("UPDATE tenant SET queue_paused = $2 WHERE id = $1", tenant_id, is_paused)


async def insert_webhook_secret(connection: Connection, tenant_id: UUID, secret_id: UUID, sealed: str) -> None:
    """Insert a sealed signing secret."""
    await connection.execute(
        "INSERT INTO webhook_secret (tenant_id, id, sealed) VALUES ($1, $2, $3)", tenant_id, secret_id, sealed
    )
