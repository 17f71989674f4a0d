"""SQL of tenants, their slots and the secrets of their webhook_urls.

Rows are plain dataclasses: the dispatcher imports this module, and must not load SQLModel for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from app.db import Connection, affected


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A row of ``tenant`` (app/models/tenant.py), without the version of its tokens."""

    id: UUID
    slug: str
    name: str
    plan: str
    status: str
    queue_paused: bool
    queue_paused_by_tenant: bool
    limits: dict[str, int]
    created_at: datetime


# The row locks below are NO KEY locks, so that inserts of tasks, which reference the tenant, do not wait for them.
_COLUMNS = "id, slug, name, plan, status, queue_paused, queue_paused_by_tenant, limits, created_at"


async def insert(connection: Connection, tenant_id: UUID, *, slug: str, name: str, plan: str) -> bool:
    """Insert a tenant. Return ``False`` when the slug is taken."""
    tag = await connection.execute(
        "INSERT INTO tenant (id, slug, name, plan) VALUES ($1, $2, $3, $4) ON CONFLICT (slug) DO NOTHING",
        tenant_id,
        slug,
        name,
        plan,
    )
    return affected(tag) == 1


async def find_by_slug_any_tenant(connection: Connection, slug: str) -> TenantRecord | None:
    """Return the tenant with a slug, unless it is deleted."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE slug = $1 AND status <> 'deleted'",  # noqa: S608 constants
        slug,
    )
    return TenantRecord(**row) if row else None


async def find_leaving_any_tenant(connection: Connection, slug: str) -> TenantRecord | None:
    """Return the tenant with a slug, also one that is being deleted, and lock its row."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE slug = $1 FOR NO KEY UPDATE",  # noqa: S608 constants
        slug,
    )
    return TenantRecord(**row) if row else None


async def list_any_tenant(connection: Connection) -> list[TenantRecord]:
    """Return every tenant, sorted by slug."""
    rows = await connection.fetch(f"SELECT {_COLUMNS} FROM tenant ORDER BY slug")  # noqa: S608 constants
    return [TenantRecord(**row) for row in rows]


async def lock(connection: Connection, tenant_id: UUID) -> TenantRecord | None:
    """Return a tenant, unless it is deleted, and lock its row until the transaction ends."""
    row = await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM tenant WHERE id = $1 AND status <> 'deleted' FOR NO KEY UPDATE",  # noqa: S608 constants
        tenant_id,
    )
    return TenantRecord(**row) if row else None


async def set_contract(connection: Connection, tenant_id: UUID, plan: str, limits: Mapping[str, int]) -> None:
    """Write a tenant's plan and its overrides."""
    await connection.execute("UPDATE tenant SET plan = $2, limits = $3 WHERE id = $1", tenant_id, plan, dict(limits))


async def set_slots(
    connection: Connection, tenant_id: UUID, *, running_limit: int, lease_limit: int, logs_events: bool
) -> None:
    """Write how many tasks may run at once, here and by its own workers, and whether all events are logged.

    If the tenant has no row of slots yet, it is created.
    """
    await connection.execute(
        "INSERT INTO tenant_slots AS s (tenant_id, running_limit, lease_limit, features)"
        " VALUES ($1, $2, $3, $4::boolean::integer)"
        " ON CONFLICT (tenant_id) DO UPDATE SET running_limit = excluded.running_limit,"
        " lease_limit = excluded.lease_limit,"
        " features = s.features & ~1 | excluded.features",
        tenant_id,
        running_limit,
        lease_limit,
        logs_events,
    )


async def set_name(connection: Connection, tenant_id: UUID, name: str) -> None:
    """Write a tenant's name for people."""
    await connection.execute("UPDATE tenant SET name = $2 WHERE id = $1", tenant_id, name)


async def set_status(connection: Connection, tenant_id: UUID, status: str) -> None:
    """Write ``active``, ``suspended`` or ``deleted``."""
    await connection.execute("UPDATE tenant SET status = $2 WHERE id = $1", tenant_id, status)


async def set_queue_paused(connection: Connection, tenant_id: UUID, *, is_paused: bool) -> None:
    """Pause the tenant's queue for the operator, or end that pause."""
    await connection.execute("UPDATE tenant SET queue_paused = $2 WHERE id = $1", tenant_id, is_paused)


async def set_queue_paused_by_tenant(connection: Connection, tenant_id: UUID, *, is_paused: bool) -> None:
    """Pause the tenant's queue for the tenant itself, or end that pause."""
    await connection.execute("UPDATE tenant SET queue_paused_by_tenant = $2 WHERE id = $1", tenant_id, is_paused)


async def insert_webhook_secret(connection: Connection, tenant_id: UUID, secret_id: UUID, sealed: str) -> None:
    """Insert a sealed signing secret."""
    await connection.execute(
        "INSERT INTO webhook_secret (tenant_id, id, sealed) VALUES ($1, $2, $3)", tenant_id, secret_id, sealed
    )


async def return_origins(connection: Connection, tenant_id: UUID) -> list[str]:
    """Return the origins to which a portal link may lead back."""
    return list(await connection.fetchval("SELECT return_origins FROM tenant WHERE id = $1", tenant_id) or ())


async def set_return_origins(connection: Connection, tenant_id: UUID, origins: Sequence[str]) -> None:
    """Write the origins to which a portal link may lead back."""
    await connection.execute("UPDATE tenant SET return_origins = $2 WHERE id = $1", tenant_id, origins)


async def contracts_any_tenant(connection: Connection) -> list[tuple[UUID, str, dict[str, int]]]:
    """Return every tenant's id, plan and overrides."""
    rows = await connection.fetch("SELECT id, plan, limits FROM tenant")
    return [(row["id"], row["plan"], row["limits"]) for row in rows]
