"""SQL that reads tasks. Every statement names the tenant, and row-level security checks the tenant once more."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final
from uuid import UUID

from app.db import Connection, call
from app.tasks.run import timing

if TYPE_CHECKING:
    import asyncpg

# Both functions take the pairs as two arrays, so that one round trip answers all requests that wait.
_CALL_RESULTS: Final = call("task_results", "tenants", "ids")
_RESULTS: Final = f"SELECT number, status, result, error, is_erased FROM {_CALL_RESULTS}"  # noqa: S608 a constant of names

_CALL_STATUSES: Final = call("task_statuses", "tenants", "ids", "dead_after", "remote_dead_after")
_STATUSES: Final = f"""
SELECT number, task, status, attempt, max_attempts, progress, waiting_reason, cancel_requested, error, created_at,
    due_at, started_at, finished_at, erased_at
FROM {_CALL_STATUSES}
"""  # noqa: S608 a constant of names

_CALL_HISTORIES: Final = call("task_histories", "tenants", "ids", "attempts", "lines", "limit")
_HISTORIES: Final = f"""
SELECT number, task, status, attempt, tags, error, progress, created_at, scheduled_at, finished_at, attempts,
    lines
FROM {_CALL_HISTORIES}
"""  # noqa: S608 a constant of names

_CALL_MARKS: Final = call("task_marks", "tenants", "ids")
_MARKS: Final = f"SELECT id, mark FROM {_CALL_MARKS}"  # noqa: S608 a constant of names

_REQUEST = """
SELECT status, task, payload, priority, tags, max_attempts, scheduled_at, expires_at, timeout_seconds, retry_of,
    webhook_url, coalesce(metadata, '{}') AS metadata, erased_at,
    -- One probe of the index of tasks. IS TRUE hides the tenant, so that no other index can answer.
    EXISTS (SELECT FROM delivery d WHERE d.task_id = $2 AND (d.tenant_id = $1) IS TRUE) AS has_deliveries
FROM task WHERE tenant_id = $1 AND id = $2
"""

# A small result is in the row of the task, a large one has a row of its own.
_RESULT = """
SELECT coalesce(k.result, (SELECT r.result FROM result r WHERE r.tenant_id = k.tenant_id AND r.task_id = k.id))
FROM task k WHERE k.tenant_id = $1 AND k.id = $2
"""

_ATTEMPTS = """
SELECT attempt, status, error, started_at, finished_at FROM attempt
WHERE tenant_id = $1 AND task_id = $2 ORDER BY attempt
"""


async def results_any_tenant(connection: Connection, wanted: Sequence[tuple[UUID, UUID]]) -> "list[asyncpg.Record]":
    """Return the status, result and error of each (tenant, id) pair, as JSON texts.

    ``number`` is the position of the pair, from 1. An unknown task has no row.
    """
    return list(await connection.fetch(_RESULTS, *_columns(wanted)))


async def statuses_any_tenant(connection: Connection, wanted: Sequence[tuple[UUID, UUID]]) -> "list[asyncpg.Record]":
    """Return the status of each (tenant, id) pair, with its progress and the reason if it waits.

    ``number`` is the position of the pair, from 1. An unknown task has no row.
    """
    dead_after = timing.WORKER_DEAD_AFTER, timing.REMOTE_GONE_AFTER
    return list(await connection.fetch(_STATUSES, *_columns(wanted), *dead_after))


async def histories_any_tenant(
    connection: Connection, wanted: Sequence[tuple[UUID, UUID]], lines: Sequence[tuple[int, int]], *, limit: int
) -> "list[asyncpg.Record]":
    """Return what has happened to each (tenant, id) pair (migrations/functions: task_histories).

    ``lines`` are the last log lines that were read, as attempt and number; ``limit`` bounds the further ones of each
    task. ``number`` is the position of the pair, from 1. An unknown task has no row.
    """
    attempts, numbers = [attempt for attempt, _ in lines], [number for _, number in lines]
    return list(await connection.fetch(_HISTORIES, *_columns(wanted), attempts, numbers, limit))


async def marks_any_tenant(connection: Connection, wanted: Sequence[tuple[UUID, UUID]]) -> dict[UUID, str]:
    """Return a text for each task of the (tenant, id) pairs that changes with its status, attempt, progress and log."""
    return {row["id"]: row["mark"] for row in await connection.fetch(_MARKS, *_columns(wanted))}


def _columns(wanted: Sequence[tuple[UUID, UUID]]) -> tuple[list[UUID], list[UUID]]:
    return [tenant_id for tenant_id, _ in wanted], [task_id for _, task_id in wanted]


async def request(connection: Connection, tenant_id: UUID, task_id: UUID) -> "asyncpg.Record | None":
    """Return the request of a task, with its status; None if the task is unknown. The payload is text."""
    return await connection.fetchrow(_REQUEST, tenant_id, task_id)


async def result(connection: Connection, tenant_id: UUID, task_id: UUID) -> str | None:
    """Return the stored result of a task as JSON text, or None."""
    found: str | None = await connection.fetchval(_RESULT, tenant_id, task_id)
    return found


async def attempts(connection: Connection, tenant_id: UUID, task_id: UUID) -> "list[asyncpg.Record]":
    """Return all attempts of a task, the first one first."""
    return list(await connection.fetch(_ATTEMPTS, tenant_id, task_id))
