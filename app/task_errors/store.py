"""SQL of errors: count failures, list errors, and change their status."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection

if TYPE_CHECKING:
    import asyncpg

_SHOWN: Final = """id AS error_id, task, type, message, status, occurrences, first_seen, last_seen,
    error_hours(p_counts => hourly, p_until => hourly_until, p_to => date_trunc('hour', now(), 'UTC')) AS sparkline,
    last_task_id, resolved_at, resolved_by, regressed_at"""

# All errors of a tenant are read and sorted. They are bounded in number, and an index by time would make every new
# occurrence write it.
_PAGE: Final = f"""
SELECT {_SHOWN} FROM task_error
WHERE tenant_id = $1 AND ($2::text[] IS NULL OR status = ANY($2)) AND ($3::text IS NULL OR task = $3)
    AND ($4::timestamptz IS NULL OR (last_seen, id) < ($4, $5::uuid))
ORDER BY last_seen DESC, id DESC LIMIT $6
"""  # noqa: S608 a constant

_CHANGE: Final = """
UPDATE task_error
SET status = $3, resolved_at = CASE WHEN $3 = 'resolved' THEN now() END,
    resolved_by = CASE WHEN $3 = 'resolved' THEN $4::text END, regressed_at = NULL
WHERE tenant_id = $1 AND id = $2 AND status <> $3
"""


async def roll_up_any_tenant(connection: Connection, limit: int, kept: int, fence: UUID) -> int:
    """Count up to ``limit`` failed attempts in their errors, and return how many (SQL function errors_roll_up).

    A tenant keeps the ``kept`` errors that were seen last. ``fence`` is the token of the dispatcher's lease. Without
    the lease nothing changes.
    """
    counted: int | None = await connection.fetchval(
        "SELECT errors_roll_up(p_limit => $1, p_kept => $2) WHERE (SELECT dispatcher_leads($3))", limit, kept, fence
    )
    return counted or 0


async def page(
    connection: Connection,
    tenant_id: UUID,
    *,
    statuses: Sequence[str] | None,
    task: str | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> "list[asyncpg.Record]":
    """Return up to ``limit`` errors, the one that was seen last first; ``after`` is the place before the first one."""
    last_seen, error_id = after or (None, None)
    return list(await connection.fetch(_PAGE, tenant_id, statuses, task, last_seen, error_id, limit))


async def find(connection: Connection, tenant_id: UUID, error_id: UUID) -> "asyncpg.Record | None":
    """Return an error; None if it is unknown."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM task_error WHERE tenant_id = $1 AND id = $2",  # noqa: S608 constants
        tenant_id,
        error_id,
    )


async def change(connection: Connection, tenant_id: UUID, error_id: UUID, *, status: str, by: str) -> None:
    """Set the status of an error. One that has it already is not changed. ``by`` is who asked for it."""
    await connection.execute(_CHANGE, tenant_id, error_id, status, by)
