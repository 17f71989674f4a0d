"""The rows that tell who did what."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.core import ids
from app.db import Connection
from app.identity.principal import Actor

__all__ = ["MAX_EVENTS_PER_DAY", "Actor", "AuditFilter", "is_day_full", "page", "record"]

_DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which events a list holds; None is any. The actor ``operator`` is every operator."""

    action: str | None = None
    actor: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


MAX_ROWS_READ: Final = 20_000
"""Of the log, in one call."""

# Operators are named to operators only: a tenant learns that one acted, not the name of the system user or from where.
# No index serves a filter, so a list reads a bounded number of events. Where it has not found enough among them, its
# last row has an id alone: of the oldest event that it has read.
_PAGE = f"""
WITH found AS MATERIALIZED (
    SELECT * FROM (
        SELECT id AS event_id, action, object, detail, created_at, actor_type,
            CASE WHEN actor_type <> 'operator' THEN actor END AS actor,
            CASE WHEN actor_type <> 'operator' THEN address END AS address
        FROM audit_event
        WHERE tenant_id = $1 AND id >= $2 AND id < $3
        ORDER BY id DESC LIMIT {MAX_ROWS_READ}
    ) AS newest
    WHERE ($5::text IS NULL OR action = $5)
        AND ($6::text IS NULL OR CASE actor_type WHEN 'operator' THEN 'operator' ELSE actor END = $6)
        AND ($7::timestamptz IS NULL OR created_at >= $7) AND ($8::timestamptz IS NULL OR created_at < $8)
    ORDER BY event_id DESC LIMIT $4
)
SELECT * FROM found
UNION ALL
SELECT * FROM (
    SELECT id, NULL, NULL, NULL::jsonb, NULL::timestamptz, NULL, NULL, NULL FROM audit_event
    WHERE tenant_id = $1 AND id >= $2 AND id < $3 AND (SELECT count(*) FROM found) < $4
    ORDER BY id DESC OFFSET {MAX_ROWS_READ - 1} LIMIT 1
) AS oldest
"""  # noqa: S608 a constant


async def record(
    connection: Connection,
    tenant_id: UUID | None,
    actor: Actor,
    action: str,
    thing: str,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write one event (``action`` in the past tense, ``tenant.created``) in the transaction of the act itself."""
    await connection.execute(
        "INSERT INTO audit_event (id, tenant_id, actor_type, actor, address, action, object, detail)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        ids.new_id(),
        tenant_id,
        actor.type,
        actor.name,
        actor.address,
        action,
        thing,
        dict(detail or {}),
    )


MAX_EVENTS_PER_DAY: Final = 1_000
"""Of a tenant's own making. Acts that give rights are refused beyond it, those that take them away never are."""

_DAY_IS_FULL = """
SELECT count(*) >= $3 FROM (
    SELECT FROM audit_event WHERE tenant_id = $1 AND id >= $2 AND actor_type <> 'operator' LIMIT $3
) AS today
"""


async def is_day_full(connection: Connection, tenant_id: UUID) -> bool:
    """Tell whether the tenant's keys and members have caused ``MAX_EVENTS_PER_DAY`` events within 24 hours."""
    # An id carries the time of the process that made it.
    yesterday = ids.first_id_at(time.time() - _DAY_SECONDS)
    is_full: bool = await connection.fetchval(_DAY_IS_FULL, tenant_id, yesterday, MAX_EVENTS_PER_DAY)
    return is_full


async def page(
    connection: Connection, tenant_id: UUID, wanted: AuditFilter, *, before: UUID, limit: int
) -> tuple[list[asyncpg.Record], UUID | None]:
    """Return up to ``limit`` of a tenant's events older than ``before``, newest first.

    Where these are fewer, but older events were not read: with the id of the oldest one which was.
    """
    first, last = ids.between(wanted.created_from, wanted.created_to)
    span = tenant_id, first, min(before, last), limit
    rows = await connection.fetch(_PAGE, *span, wanted.action, wanted.actor, wanted.created_from, wanted.created_to)
    is_cut = bool(rows) and rows[-1]["action"] is None
    return (rows[:-1], rows[-1]["event_id"]) if is_cut else (rows, None)
