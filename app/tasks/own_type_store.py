"""SQL that reads the table ``task_type``: the task types that tenants have declared."""

from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection

if TYPE_CHECKING:
    import asyncpg

_ALL: Final = """
SELECT name, summary, payload_schema::text AS payload_schema, result_schema::text AS result_schema, max_attempts,
    time_limit, lease_seconds, retry_backoff, retry_backoff_max, retry_jitter, created_at, updated_at
FROM task_type WHERE tenant_id = $1 ORDER BY name
"""


async def all_types(connection: Connection, tenant_id: UUID) -> "list[asyncpg.Record]":
    """Return the rows of a tenant's own task types, by name."""
    return list(await connection.fetch(_ALL, tenant_id))
