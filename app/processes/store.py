"""SQL of process heartbeats, and of the version of the schema."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.db import Connection

_BEAT: Final = """
INSERT INTO process_heartbeat (id, kind, hostname, pid, details) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (id) DO UPDATE SET heartbeat_at = now(), details = excluded.details
"""
# Long enough that the row of a process that was only stopped for a while is not deleted.
_FORGET: Final = "DELETE FROM process_heartbeat WHERE heartbeat_at < now() - interval '5 minutes'"

# Age in seconds of the latest heartbeat of this host, for one pid or for any.
_AGE_OF_PROCESS: Final = """
SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM process_heartbeat
WHERE kind = $1 AND hostname = $2 AND ($3::integer IS NULL OR pid = $3)
"""
_AGE_OF_WORKER: Final = """
SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM worker
WHERE hostname = $1 AND slots > 0 AND ($2::integer IS NULL OR pid = $2)
"""


async def beat_any_tenant(
    connection: Connection, process_id: UUID, *, kind: str, hostname: str, pid: int, details: Mapping[str, Any]
) -> None:
    """Write the heartbeat of a process, by the database's clock."""
    await connection.execute(_BEAT, process_id, kind, hostname, pid, dict(details))


async def forget_any_tenant(connection: Connection) -> None:
    """Delete the rows of processes that ended without deleting their own."""
    await connection.execute(_FORGET)


async def remove_any_tenant(connection: Connection, process_id: UUID) -> None:
    """Delete the row of a process that ends."""
    await connection.execute("DELETE FROM process_heartbeat WHERE id = $1", process_id)


async def age_any_tenant(connection: Connection, kind: str, hostname: str, pid: int | None) -> float | None:
    """Return the age in seconds of the latest heartbeat of a host's processes; ``None`` without one."""
    if kind == "worker":
        age: float | None = await connection.fetchval(_AGE_OF_WORKER, hostname, pid)
    else:
        age = await connection.fetchval(_AGE_OF_PROCESS, kind, hostname, pid)
    return age


async def schema_version_any_tenant(connection: Connection) -> str | None:
    """Return the revision of the database's schema; ``None`` when it has none."""
    try:
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return None
    return version
