"""SQL that changes the table ``task_type``. ``app.tasks.own_type_store`` reads it."""

from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from app.db import Connection, affected

if TYPE_CHECKING:
    import asyncpg

UNKNOWN: Final = "There is no such task type of your own. GET /api/task-types lists all."


class TypeColumns(NamedTuple):
    """The values of a task type. The schemas are JSON texts."""

    summary: str
    payload_schema: str | None
    result_schema: str | None
    max_attempts: int
    time_limit: float
    lease_seconds: int
    retry_backoff: float
    retry_backoff_max: float
    retry_jitter: bool

    def is_as_stored(self, row: "asyncpg.Record") -> bool:
        """Return whether a row has these values already."""
        return all(row[name] == value for name, value in self._asdict().items())


_SHOWN: Final = """name, summary, payload_schema::text AS payload_schema, result_schema::text AS result_schema,
    max_attempts, time_limit, lease_seconds, retry_backoff, retry_backoff_max, retry_jitter, created_at, updated_at"""
_FIND: Final = f"SELECT {_SHOWN} FROM task_type WHERE tenant_id = $1 AND name = $2"  # noqa: S608 constants
_PUT: Final = f"""
INSERT INTO task_type (tenant_id, name, {", ".join(TypeColumns._fields)})
VALUES ($1, $2, {", ".join(f"${place}" for place in range(3, 3 + len(TypeColumns._fields)))})
ON CONFLICT (tenant_id, name) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in TypeColumns._fields)}, updated_at = now()
"""  # noqa: S608 constants


async def find(connection: Connection, tenant_id: UUID, name: str) -> "asyncpg.Record | None":
    """Return a task type of a tenant, or None."""
    return await connection.fetchrow(_FIND, tenant_id, name)


async def count(connection: Connection, tenant_id: UUID) -> int:
    """Return how many task types a tenant has declared."""
    found: int = await connection.fetchval("SELECT count(*) FROM task_type WHERE tenant_id = $1", tenant_id)
    return found


async def put(connection: Connection, tenant_id: UUID, name: str, columns: TypeColumns) -> None:
    """Create a task type, or replace it."""
    await connection.execute(_PUT, tenant_id, name, *columns)


async def delete(connection: Connection, tenant_id: UUID, name: str) -> bool:
    """Delete a task type; return whether there was one."""
    done = await connection.execute("DELETE FROM task_type WHERE tenant_id = $1 AND name = $2", tenant_id, name)
    return affected(done) > 0
