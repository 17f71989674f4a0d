"""SQL of the audit log."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from app.core import ids
from app.db import Connection
from app.identity.principal import Actor


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """The conditions of a list; ``None`` matches every event. The actor ``operator`` matches every operator."""

    action: str | None = None
    actor: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None


MAX_ROWS_READ: Final = 5_000
"""Events that one call reads at most."""

# A tenant learns that an operator acted, but neither the name of the system user nor the address.
# No index serves a filter, so a list reads a bounded number of events. When it has not found enough matches among them,
# the last row has only an id: the one of the oldest event that was read.
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


async def insert(
    connection: Connection, tenant_id: UUID | None, actor: Actor, action: str, thing: str, detail: Mapping[str, Any]
) -> None:
    """Insert one event."""
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
        detail,
    )


# Operations have a limit of their own (app/operations/asking.py), and must not use up that of keys and members.
_HAS_EVENTS_SINCE = """
SELECT count(*) >= $3 FROM (
    SELECT FROM audit_event
    WHERE tenant_id = $1 AND id >= $2 AND actor_type IN ('api_key', 'member') AND action NOT LIKE 'operation.%'
      AND action NOT LIKE 'schedule.%' LIMIT $3
) AS today
"""


async def has_events_since(connection: Connection, tenant_id: UUID, first: UUID, count: int) -> bool:
    """Return whether changes by the tenant's keys and members have caused ``count`` events from the id ``first`` on."""
    has_events: bool = await connection.fetchval(_HAS_EVENTS_SINCE, tenant_id, first, count)
    return has_events


async def page(
    connection: Connection, tenant_id: UUID, wanted: AuditFilter, *, before: UUID, limit: int
) -> tuple[list[asyncpg.Record], UUID | None]:
    """Return up to ``limit`` events older than ``before``, newest first, and where to go on (see ``log.page``)."""
    # The ids bound what is read. The exact times are compared as well, because clocks may differ.
    first, last = ids.between(wanted.created_from, wanted.created_to)
    span = tenant_id, first, min(before, last), limit
    rows = await connection.fetch(_PAGE, *span, wanted.action, wanted.actor, wanted.created_from, wanted.created_to)
    is_cut = bool(rows) and rows[-1]["action"] is None
    return (rows[:-1], rows[-1]["event_id"]) if is_cut else (rows, None)


# Operators act rarely beside the keys of tenants, so a bounded number of events is read.
_ACTS_READ: Final = 5_000


def _acts(where: str) -> str:
    return f"""
SELECT e.id AS event_id, e.action, e.object, e.detail, e.created_at, e.actor, e.address, e.actor_type, t.slug
FROM (SELECT * FROM audit_event {where} ORDER BY id DESC LIMIT {_ACTS_READ}) AS e
LEFT JOIN tenant t ON t.id = e.tenant_id
WHERE e.actor_type = 'operator' ORDER BY e.id DESC LIMIT $1
"""  # noqa: S608 constants


_ACTS_OF_ALL: Final = _acts("")
_ACTS_ON_ONE: Final = _acts("WHERE tenant_id = $2")


async def acts_of_operators_any_tenant(connection: Connection, limit: int, about: UUID | None) -> list[asyncpg.Record]:
    """Return the latest acts of operators, newest first, with their names; ``about`` one tenant, or all."""
    if about is None:
        return list(await connection.fetch(_ACTS_OF_ALL, limit))
    return list(await connection.fetch(_ACTS_ON_ONE, limit, about))
