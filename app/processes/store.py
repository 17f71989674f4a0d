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
# Long enough that the row of a process that was only stopped for a while is not deleted. One that is ahead is a dead
# process's, from before the clock was set back; a living one writes its row again.
_FORGET: Final = """
DELETE FROM process_heartbeat
WHERE heartbeat_at NOT BETWEEN now() - interval '5 minutes' AND now() + interval '5 minutes'
"""

# Age in seconds of the latest heartbeat of this host, for one pid or for any.
_AGE_OF_PROCESS: Final = """
SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM process_heartbeat
WHERE kind = $1 AND hostname = $2 AND ($3::integer IS NULL OR pid = $3)
"""
_AGE_OF_WORKER: Final = """
SELECT extract(epoch FROM now() - max(heartbeat_at))::float8 FROM worker
WHERE hostname = $1 AND slots > 0 AND ($2::integer IS NULL OR pid = $2) AND (pool = 'http') = $3
"""

# Of a process that was killed the row stays for some minutes: it shows that something has ended without a word.
_ALL: Final = """
SELECT kind, hostname, pid, details, started_at, heartbeat_at,
    extract(epoch FROM now() - heartbeat_at)::float8 AS age
FROM process_heartbeat ORDER BY kind, (details->'leads') DESC NULLS LAST, heartbeat_at DESC
"""
_WORKERS: Final = """
SELECT id, hostname, pid, pool, slots, task_types, cardinality(claim_tokens) AS running, started_at, heartbeat_at,
    extract(epoch FROM now() - heartbeat_at)::float8 AS age
FROM worker ORDER BY pool, hostname, started_at
"""
_LEASE: Final = """
SELECT nullif(holder, '') AS holder, extract(epoch FROM expires_at - now())::float8 AS seconds_left
FROM dispatcher_lease
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
    if kind in {"worker", "http"}:
        age: float | None = await connection.fetchval(_AGE_OF_WORKER, hostname, pid, kind == "http")
    else:
        age = await connection.fetchval(_AGE_OF_PROCESS, kind, hostname, pid)
    return age


async def list_any_tenant(connection: Connection) -> list[asyncpg.Record]:
    """Return every process that writes heartbeats, apart from workers, with the age of its latest one in seconds."""
    return list(await connection.fetch(_ALL))


async def workers_any_tenant(connection: Connection) -> list[asyncpg.Record]:
    """Return every worker with its slots, the number of attempts that it runs, and the age of its heartbeat."""
    return list(await connection.fetch(_WORKERS))


async def lease_any_tenant(connection: Connection) -> asyncpg.Record | None:
    """Return the holder of the dispatcher's lease, and the seconds until it ends."""
    return await connection.fetchrow(_LEASE)


async def schema_version_any_tenant(connection: Connection) -> str | None:
    """Return the revision of the database's schema; ``None`` when it has none."""
    try:
        version: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    except (asyncpg.UndefinedTableError, asyncpg.InsufficientPrivilegeError):
        return None
    return version
