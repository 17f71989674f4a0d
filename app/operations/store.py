"""SQL of operations."""

import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.core import ids
from app.db import Connection, affected, call
from app.operations.progress import MAX_ERRORS, Standing, StepResult
from app.tasks.submit.new_tasks import Statement
from app.tenants import plans

if TYPE_CHECKING:
    import asyncpg

MOVED: Final = "TQ004"
"""SQLSTATE of ``advance``: the operation is not where its caller has read it, so the transaction must not commit."""
MAX_RUN: Final = timedelta(days=7)
"""The longest time that an operation may run, for example while it waits for a limit. After that it fails."""

_CALL_ADVANCE: Final = call(
    "operation_advance",
    "tenant", "operation", "from", "to", "is_counting", "total", "done", "failed", "skipped", "errors", "max_errors",
    "fence",
)  # fmt: skip
_ADVANCE: Final = f"SELECT FROM {_CALL_ADVANCE}"

_SHOWN: Final = """id AS operation_id, kind, status, filter, total, is_counted, done, failed, skipped, errors,
    waiting_for_limit, asked_by, cancel_requested_at IS NOT NULL AS cancel_requested, created_at, finished_at"""

# Each tenant's operations, oldest first. A suspended tenant's ones go on when it is active again.
_RUNNING: Final = """
SELECT o.tenant_id, o.id FROM operation o
CROSS JOIN LATERAL (SELECT FROM tenant t WHERE t.id = o.tenant_id AND t.status = 'active' LIMIT 1) AS active
WHERE o.finished_at IS NULL ORDER BY o.created_at, o.id
"""

_STANDING: Final = """
SELECT o.tenant_id, o.id, o.kind, o.filter, o.cursor, o.is_counted, o.waiting_for_limit,
    o.cancel_requested_at IS NOT NULL AS cancel_requested, o.created_at < now() - $3::interval AS is_overdue,
    o.created_at, t.plan, t.limits
FROM operation o JOIN tenant t ON t.id = o.tenant_id
WHERE o.tenant_id = $1 AND o.id = $2 AND o.status = 'RUNNING'
"""


async def running_any_tenant(connection: Connection) -> list[tuple[UUID, UUID]]:
    """Return the tenant and id of each operation that runs, the oldest first. It is one probe if none does."""
    return [(row["tenant_id"], row["id"]) for row in await connection.fetch(_RUNNING)]


async def standing(connection: Connection, tenant_id: UUID, operation_id: UUID) -> Standing | None:
    """Return where an operation stands; None if it has ended."""
    row = await connection.fetchrow(_STANDING, tenant_id, operation_id, MAX_RUN)
    if row is None:
        return None
    facts = dict(row)
    limits = plans.effective(facts.pop("plan"), facts.pop("limits"))
    return Standing(**facts, limits=limits)


def _arguments(standing: Standing, progress: StepResult, fence: UUID) -> tuple[Any, ...]:
    return (
        standing.tenant_id, standing.id, standing.cursor, progress.to, not standing.is_counted, progress.total,
        progress.done, progress.failed, progress.skipped, list(progress.errors), MAX_ERRORS, fence,
    )  # fmt: skip


async def advance(
    connection: Connection, tenant_id: UUID, standing: Standing, progress: StepResult, fence: UUID
) -> None:
    """Record progress in the transaction of the act (migrations/functions: operation_advance).

    Raises an error with the SQLSTATE ``MOVED`` if somebody else was faster: the transaction must then be rolled back.
    """
    assert tenant_id == standing.tenant_id  # noqa: S101 the caller's transaction is for this tenant
    await connection.execute(_ADVANCE, *_arguments(standing, progress, fence))


def advance_statement_any_tenant(standing: Standing, progress: StepResult, fence: UUID) -> Statement:
    """Return ``advance`` as a statement for the transaction that stores new tasks."""
    return Statement(_ADVANCE, _arguments(standing, progress, fence))


async def say_waiting(connection: Connection, tenant_id: UUID, operation_id: UUID, limit: str, fence: UUID) -> None:
    """Record for which limit an operation waits."""
    await connection.execute(
        "UPDATE operation SET waiting_for_limit = $3 WHERE tenant_id = $1 AND id = $2 AND status = 'RUNNING' "
        "AND (SELECT dispatcher_leads($4))",
        tenant_id, operation_id, limit, fence,
    )  # fmt: skip


async def end(
    connection: Connection, tenant_id: UUID, operation_id: UUID, status: str, errors: Sequence[Any], fence: UUID
) -> bool:
    """End an operation before it has reached its last task. ``errors`` are added to those that it has."""
    done = await connection.execute(
        "UPDATE operation SET status = $3, errors = $4::jsonb || errors, waiting_for_limit = NULL, finished_at = now() "
        "WHERE tenant_id = $1 AND id = $2 AND status = 'RUNNING' AND (SELECT dispatcher_leads($5))",
        tenant_id, operation_id, status, list(errors), fence,
    )  # fmt: skip
    return affected(done) > 0


# A key is free again 24 h after its request, like that of a submit.
_RELEASE_KEY: Final = """
UPDATE operation SET idempotency_key = NULL
WHERE tenant_id = $1 AND idempotency_key = $2 AND created_at < now() - interval '24 hours'
"""


async def find_key(connection: Connection, tenant_id: UUID, key: str) -> "asyncpg.Record | None":
    """Return the operation that a request with this idempotency key has made within 24 h; None if there is none."""
    await connection.execute(_RELEASE_KEY, tenant_id, key)
    return await connection.fetchrow(
        "SELECT id AS operation_id, status, fingerprint FROM operation WHERE tenant_id = $1 AND idempotency_key = $2",
        tenant_id,
        key,
    )


async def count_running(connection: Connection, tenant_id: UUID) -> int:
    """Return how many operations of the tenant have not ended."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM operation WHERE tenant_id = $1 AND finished_at IS NULL", tenant_id
    )
    return count


async def count_of_a_day(connection: Connection, tenant_id: UUID) -> int:
    """Return how many operations the tenant has started within 24 hours."""
    count: int = await connection.fetchval(
        "SELECT count(*) FROM operation WHERE tenant_id = $1 AND id >= $2 AND created_at > now() - interval '24 hours'",
        tenant_id,
        # An id has the time of the process that made it, so the key of the table serves times.
        ids.first_id_at(time.time() - 2 * 86_400),
    )
    return count


async def insert(
    connection: Connection,
    tenant_id: UUID,
    operation_id: UUID,
    *,
    kind: str,
    chosen: dict[str, Any],
    asked_by: str,
    key: str | None,
    fingerprint: bytes | None,
) -> None:
    """Insert an operation that has done nothing yet. ``chosen`` is its filter."""
    await connection.execute(
        "INSERT INTO operation (tenant_id, id, kind, filter, asked_by, idempotency_key, fingerprint) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        tenant_id, operation_id, kind, chosen, asked_by, key, fingerprint,
    )  # fmt: skip


async def find(connection: Connection, tenant_id: UUID, operation_id: UUID) -> "asyncpg.Record | None":
    """Return an operation as its tenant sees it; None if it is unknown."""
    return await connection.fetchrow(
        f"SELECT {_SHOWN} FROM operation WHERE tenant_id = $1 AND id = $2",  # noqa: S608 constants
        tenant_id,
        operation_id,
    )


async def page(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> "list[asyncpg.Record]":
    """Return up to ``limit`` operations older than the id ``before``, newest first."""
    return list(
        await connection.fetch(
            f"SELECT {_SHOWN} FROM operation WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",  # noqa: S608 constants
            tenant_id,
            before,
            limit,
        )
    )


async def request_cancel(connection: Connection, tenant_id: UUID, operation_id: UUID) -> bool:
    """Ask for the end of an operation. Return False if it has ended, or was asked before."""
    done = await connection.execute(
        "UPDATE operation SET cancel_requested_at = now() "
        "WHERE tenant_id = $1 AND id = $2 AND finished_at IS NULL AND cancel_requested_at IS NULL",
        tenant_id, operation_id,
    )  # fmt: skip
    return affected(done) > 0
