"""SQL that finds a tenant's tasks by their metadata."""

from typing import Any, Final
from uuid import UUID

from app.db import Connection, call

_CALL_WITH_LABEL: Final = call("tasks_with_label", "tenant", "metadata", "first", "last", "limit")
_WITH_LABEL: Final = f"SELECT id FROM {_CALL_WITH_LABEL} AS found (id)"  # noqa: S608 a constant of names


async def with_label(
    connection: Connection, tenant_id: UUID, metadata: Any, *, first: UUID, last: UUID, limit: int
) -> list[UUID]:
    """Return up to ``limit`` tasks that have this key and value, from id ``first`` to before ``last``, in no order."""
    rows = await connection.fetch(_WITH_LABEL, tenant_id, metadata, first, last, limit)
    return [row["id"] for row in rows]
