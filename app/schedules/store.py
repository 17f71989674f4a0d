"""SQL of schedules and their fires."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from app.db import Connection, affected, call
from app.tasks.submit.new_tasks import Statement

if TYPE_CHECKING:
    import asyncpg

UNKNOWN: Final = "There is no such schedule."
MOVED: Final = "TQ005"
"""SQLSTATE of ``record``: a schedule is not where its caller has read it, so the transaction must not commit."""
GONE: Final = "TQ006"
"""SQLSTATE of ``trigger_statement``: there is no such schedule."""

_CHOSEN: Final = (
    "name", "cron", "every_seconds", "timezone", "window_seconds", "starts_at", "ends_at", "overlap", "catch_up",
    "catch_up_seconds", "max_fires", "pause_after_failures", "task", "pool", "payload", "priority", "max_attempts",
    "time_limit_seconds", "timeout_seconds", "expires_seconds", "tags", "metadata", "webhook_url",
)  # fmt: skip
_SHOWN: Final = """s.id AS schedule_id, s.name, s.cron, s.every_seconds, s.timezone, s.starts_at, s.ends_at,
    s.window_seconds, s.overlap, s.catch_up, s.catch_up_seconds, s.max_fires, s.pause_after_failures, s.task,
    s.priority, s.expires_seconds, s.max_attempts, s.timeout_seconds, s.tags, coalesce(s.metadata, '{}') AS metadata,
    s.webhook_url, s.paused_at IS NOT NULL AS paused, s.paused_at, s.paused_by, s.pause_note, s.next_fire_at,
    s.queued_fire_at, s.last_fire_at, s.last_task_id, s.fires, s.created_at, s.updated_at"""
_STORED: Final = f"{_SHOWN}, s.pool, s.time_limit_seconds, s.payload::text AS payload, s.version"
_TASK: Final = """s.name, s.task, s.pool, s.priority, s.payload::text AS payload, s.max_attempts, s.time_limit_seconds,
    s.timeout_seconds, s.expires_seconds, s.tags, s.metadata::text AS metadata, s.webhook_url"""

_INSERT: Final = f"""
INSERT INTO schedule (tenant_id, id, {", ".join(_CHOSEN)}, next_fire_at, paused_at, paused_by, created_at, updated_at)
VALUES ($1, $2, {", ".join(f"${place}" for place in range(3, 3 + len(_CHOSEN)))}, ${3 + len(_CHOSEN)},
    CASE WHEN ${4 + len(_CHOSEN)}::text IS NOT NULL THEN now() END, ${4 + len(_CHOSEN)}, now(), now())
"""  # noqa: S608 constants
_CHANGE: Final = f"""
UPDATE schedule SET {", ".join(f"{name} = ${place}" for place, name in enumerate(_CHOSEN, 3))},
    next_fire_at = ${3 + len(_CHOSEN)}, version = version + 1, updated_at = now()
WHERE tenant_id = $1 AND id = $2
"""  # noqa: S608 constants
_FIND: Final = f"SELECT {_SHOWN} FROM schedule s WHERE s.tenant_id = $1 AND s.id = $2"  # noqa: S608 constants
_FIND_PAYLOAD: Final = f"SELECT {_STORED} FROM schedule s WHERE s.tenant_id = $1 AND s.id = $2"  # noqa: S608 constants
_LOCK_NAME: Final = f"SELECT {_STORED} FROM schedule s WHERE s.tenant_id = $1 AND s.name = $2 FOR UPDATE"  # noqa: S608
_LOCK: Final = f"SELECT {_SHOWN} FROM schedule s WHERE s.tenant_id = $1 AND s.id = $2 FOR UPDATE"  # noqa: S608 constants
_PAGE: Final = f"""
SELECT {_SHOWN} FROM schedule s WHERE s.tenant_id = $1 AND s.id < $2 ORDER BY s.id DESC LIMIT $3
"""  # noqa: S608 constants
_FIRES: Final = """
SELECT fire_at, outcome, reason, task_id, count, until FROM schedule_fire
WHERE tenant_id = $1 AND schedule_id = $2 ORDER BY fire_at DESC LIMIT $3
"""
_PAUSE: Final = """
UPDATE schedule SET paused_at = now(), paused_by = $3, pause_note = $4, next_fire_at = NULL, queued_fire_at = NULL,
    version = version + 1, updated_at = now()
WHERE tenant_id = $1 AND id = $2
"""
_RESUME: Final = """
UPDATE schedule SET paused_at = NULL, paused_by = NULL, pause_note = NULL, next_fire_at = $3, failures_from = now(),
    version = version + 1, updated_at = now()
WHERE tenant_id = $1 AND id = $2
"""
_INSERT_FIRE: Final = """
INSERT INTO schedule_fire (tenant_id, schedule_id, fire_at, outcome, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT DO NOTHING
"""
# LIMIT 1: rows are found by their keys, whatever the statistics say.
_STANDING: Final = f"""
SELECT s.id AS schedule_id, s.version, s.cron, s.every_seconds, s.timezone, s.window_seconds, s.starts_at, s.ends_at,
    s.overlap, s.catch_up, s.catch_up_seconds, s.max_fires, s.pause_after_failures, s.fires, s.next_fire_at,
    s.queued_fire_at, s.last_task_id, s.created_at, {_TASK}, t.plan, t.limits, t.status <> 'active' AS is_suspended,
    now() AS now,
    (SELECT k.status FROM task k WHERE k.tenant_id = s.tenant_id AND k.id = s.last_task_id LIMIT 1) AS last_status,
    CASE WHEN s.pause_after_failures IS NOT NULL THEN ARRAY(
        SELECT (SELECT k.status FROM task k WHERE k.tenant_id = s.tenant_id AND k.id = f.task_id LIMIT 1)
        FROM schedule_fire f
        WHERE f.tenant_id = s.tenant_id AND f.schedule_id = s.id AND f.fire_at >= s.failures_from
          AND f.outcome = 'fired'
        ORDER BY f.fire_at DESC LIMIT 2 * s.pause_after_failures
    ) END AS recent_statuses
FROM schedule s JOIN tenant t ON t.id = s.tenant_id
WHERE s.tenant_id = $1 AND s.id = ANY($2::uuid[]) AND s.paused_at IS NULL
  AND (s.next_fire_at <= now() OR s.queued_fire_at IS NOT NULL)
ORDER BY s.id
"""  # noqa: S608 constants
_TASK_OF: Final = f"SELECT {_TASK} FROM schedule s WHERE s.tenant_id = $1 AND s.id = $2"  # noqa: S608 constants

# Of a row that counts several times, only the first one is a key, and none of them was fired.
_FIRED: Final = """
SELECT fire_at FROM schedule_fire
WHERE tenant_id = $1 AND schedule_id = $2 AND fire_at BETWEEN $3 AND $4 AND outcome = 'fired'
"""

_CALL_RECORD: Final = call("schedules_record", "tenant", "steps", "fires", "fence")
_CALL_SKIPPED: Final = call("schedules_skipped", "tenant", "fires")
_CALL_TRIGGER: Final = call("schedule_trigger", "tenant", "schedule", "task")
_CALL_BACKFILL: Final = call("schedule_backfill", "tenant", "schedule", "fires")
_BACKFILL: Final = f"SELECT FROM {_CALL_BACKFILL}"
_RECORD: Final = f"SELECT FROM {_CALL_RECORD}"
_SKIPPED: Final = f"SELECT {_CALL_SKIPPED}"
_TRIGGER: Final = f"SELECT FROM {_CALL_TRIGGER}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleColumns:
    """The columns of a schedule that its tenant chooses, as they are stored."""

    name: str
    cron: str | None
    every_seconds: int | None
    timezone: str
    window_seconds: int
    starts_at: datetime | None
    ends_at: datetime | None
    overlap: str
    catch_up: str
    catch_up_seconds: int
    max_fires: int | None
    pause_after_failures: int | None
    task: str
    pool: str
    payload: str
    priority: int
    max_attempts: int
    time_limit_seconds: float
    timeout_seconds: float | None
    expires_seconds: float | None
    tags: list[str]
    metadata: dict[str, str]
    webhook_url: str | None

    def values(self) -> list[Any]:
        """Return the values in the order of the statements' parameters."""
        return [getattr(self, name) for name in _CHOSEN]

    def is_as_stored(self, row: "asyncpg.Record") -> bool:
        """Return whether a stored schedule has the same values."""
        return all(getattr(self, name) == row[name] for name in _CHOSEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A change of one schedule by a step of the dispatcher (migrations/functions: schedules_record)."""

    id: UUID
    version: int
    next_fire_at: datetime | None
    queued_fire_at: datetime | None
    last_fire_at: datetime | None
    last_task_id: UUID | None
    fires: int
    paused_by: str | None
    pause_note: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FireRow:
    """A row of ``schedule_fire``."""

    schedule_id: UUID
    fire_at: datetime
    outcome: str
    reason: str | None
    count: int
    until: datetime | None
    task_id: UUID | None


def record_statements_any_tenant(
    tenant_id: UUID, steps: Sequence[Step], fires: Sequence[FireRow], fence: UUID
) -> list[Statement]:
    """Return the statements that record a step, for the transaction that stores its tasks.

    The first one raises an error with the SQLSTATE ``MOVED`` if somebody else was faster.
    """
    rows = [_document(row) for row in fires]
    arguments = (tenant_id, [_document(step) for step in steps], rows, fence)
    statements = [Statement(_RECORD, arguments, runs_first=True)]
    skipped = [row for row in rows if row["outcome"] != "fired"]
    # Last of all, because it locks the tenant's slots.
    return [*statements, Statement(_SKIPPED, (tenant_id, skipped))] if skipped else statements


def _document(row: Step | FireRow) -> dict[str, Any]:
    return {name: _json(getattr(row, name)) for name in row.__slots__}


def _json(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def trigger_statement_any_tenant(tenant_id: UUID, schedule_id: UUID, task_id: UUID) -> Statement:
    """Return the statement that records a fire of now. It raises an error with the SQLSTATE ``GONE``."""
    return Statement(_TRIGGER, (tenant_id, schedule_id, task_id), runs_first=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeUp:
    """A time of a schedule that a backfill makes up."""

    fire_at: datetime
    task_id: UUID
    following: datetime | None
    """The schedule's next time after it."""


def backfill_statement_any_tenant(tenant_id: UUID, schedule_id: UUID, fires: Sequence[MadeUp]) -> Statement:
    """Return the statement that records times that are made up (migrations/functions: schedule_backfill).

    It raises an error with the SQLSTATE ``GONE``, or ``TQ004`` if one of them was fired meanwhile.
    """
    rows = [{name: _json(getattr(fire, name)) for name in fire.__slots__} for fire in fires]
    return Statement(_BACKFILL, (tenant_id, schedule_id, rows), runs_first=True)


async def fired(
    connection: Connection, tenant_id: UUID, schedule_id: UUID, first: datetime, last: datetime
) -> set[datetime]:
    """Return the times from ``first`` to ``last`` for which a schedule has made a task."""
    return {row["fire_at"] for row in await connection.fetch(_FIRED, tenant_id, schedule_id, first, last)}


async def standing(connection: Connection, tenant_id: UUID, ids: Sequence[UUID]) -> "list[asyncpg.Record]":
    """Return where schedules stand that have something to do, with the requests of their tasks."""
    return list(await connection.fetch(_STANDING, tenant_id, ids))


async def task_of(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> "asyncpg.Record | None":
    """Return the request of a schedule's tasks; None if there is no such schedule."""
    return await connection.fetchrow(_TASK_OF, tenant_id, schedule_id)


async def count(connection: Connection, tenant_id: UUID) -> int:
    """Return how many schedules a tenant has."""
    return int(await connection.fetchval("SELECT count(*) FROM schedule WHERE tenant_id = $1", tenant_id))


async def insert(
    connection: Connection,
    tenant_id: UUID,
    schedule_id: UUID,
    columns: ScheduleColumns,
    *,
    next_fire_at: datetime | None,
    paused_by: str | None,
) -> None:
    """Insert a schedule; ``paused_by`` names who pauses it from the start."""
    await connection.execute(_INSERT, tenant_id, schedule_id, *columns.values(), next_fire_at, paused_by)


async def change(
    connection: Connection, tenant_id: UUID, schedule_id: UUID, columns: ScheduleColumns, next_fire_at: datetime | None
) -> None:
    """Write the values of a schedule."""
    await connection.execute(_CHANGE, tenant_id, schedule_id, *columns.values(), next_fire_at)


async def find(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> "asyncpg.Record | None":
    """Return a schedule, without its payload."""
    return await connection.fetchrow(_FIND, tenant_id, schedule_id)


async def find_payload(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> "asyncpg.Record | None":
    """Return a schedule with its payload."""
    return await connection.fetchrow(_FIND_PAYLOAD, tenant_id, schedule_id)


async def lock(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> "asyncpg.Record | None":
    """Return a schedule without its payload, and lock its row."""
    return await connection.fetchrow(_LOCK, tenant_id, schedule_id)


async def lock_name(connection: Connection, tenant_id: UUID, name: str) -> "asyncpg.Record | None":
    """Return the schedule with a name, and lock its row until the transaction ends."""
    return await connection.fetchrow(_LOCK_NAME, tenant_id, name)


async def page(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> "list[asyncpg.Record]":
    """Return up to ``limit`` schedules older than the id ``before``, newest first."""
    return list(await connection.fetch(_PAGE, tenant_id, before, limit))


async def fires(connection: Connection, tenant_id: UUID, schedule_id: UUID, limit: int) -> "list[asyncpg.Record]":
    """Return the latest fires of a schedule, the newest first."""
    return list(await connection.fetch(_FIRES, tenant_id, schedule_id, limit))


async def delete(connection: Connection, tenant_id: UUID, schedule_id: UUID) -> bool:
    """Delete a schedule with its fires; return whether it was there. Tasks that it has made stay."""
    return (
        affected(
            await connection.execute("DELETE FROM schedule WHERE tenant_id = $1 AND id = $2", tenant_id, schedule_id)
        )
        == 1
    )


async def pause(connection: Connection, tenant_id: UUID, schedule_id: UUID, paused_by: str, note: str | None) -> None:
    """Pause a schedule."""
    await connection.execute(_PAUSE, tenant_id, schedule_id, paused_by, note)


async def resume(connection: Connection, tenant_id: UUID, schedule_id: UUID, next_fire_at: datetime | None) -> None:
    """Let a paused schedule fire again."""
    await connection.execute(_RESUME, tenant_id, schedule_id, next_fire_at)


async def miss(connection: Connection, tenant_id: UUID, schedule_id: UUID, fire_at: datetime, reason: str) -> None:
    """Record a fire that will not happen."""
    await connection.execute(_INSERT_FIRE, tenant_id, schedule_id, fire_at, "missed", reason)
