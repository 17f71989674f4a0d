"""SQL of endpoints, for the tenant that manages them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.db import Connection, affected, call

UNKNOWN: Final = "There is no such endpoint."

_SHOWN: Final = """id AS endpoint_id, url, event_types, filter_tasks, filter_tags, description, header_names,
    rate_per_second, enabled, disabled_at, disabled_by, failing_since, created_at, updated_at"""

_LOCK_SLOTS: Final = "SELECT event_seq FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE"
_MARK: Final = """
UPDATE tenant_slots SET features = features & ~2 | CASE WHEN EXISTS (
    SELECT FROM endpoint e WHERE e.tenant_id = $1
) THEN 2 ELSE 0 END WHERE tenant_id = $1
"""
_INSERT: Final = f"""
INSERT INTO endpoint (tenant_id, id, url, event_types, filter_tasks, filter_tags, description, sealed_headers,
    header_names, rate_per_second, enabled, disabled_at, disabled_by, after_seq)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    CASE WHEN NOT $11 THEN now() END, CASE WHEN NOT $11 THEN 'tenant' END, $12)
RETURNING {_SHOWN}
"""  # noqa: S608 constants
# A new URL and a new start end what was known about failures.
_CHANGE: Final = f"""
UPDATE endpoint SET url = $3, event_types = $4, filter_tasks = $5, filter_tags = $6, description = $7,
    sealed_headers = $8, header_names = $9, rate_per_second = $10, enabled = $11,
    disabled_at = CASE WHEN NOT $11 THEN coalesce(disabled_at, now()) END,
    disabled_by = CASE WHEN NOT $11 THEN coalesce(disabled_by, 'tenant') END,
    failing_since = CASE WHEN url = $3 AND enabled = $11 THEN failing_since END,
    failing_told_at = CASE WHEN url = $3 AND enabled = $11 THEN failing_told_at END, updated_at = now()
WHERE tenant_id = $1 AND id = $2
RETURNING {_SHOWN}
"""  # noqa: S608 constants
_DELETE: Final = """
WITH gone AS (DELETE FROM endpoint WHERE tenant_id = $1 AND id = $2 RETURNING tenant_id, id)
INSERT INTO endpoint_deleted (tenant_id, endpoint_id) SELECT tenant_id, id FROM gone
"""
_PAGE: Final = f"SELECT {_SHOWN} FROM endpoint WHERE tenant_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"  # noqa: S608
_FIND: Final = f"SELECT {_SHOWN} FROM endpoint WHERE tenant_id = $1 AND id = $2"  # noqa: S608
# The operator's switch. It does not touch what the tenant has chosen.
_SWITCH: Final = f"""
UPDATE endpoint SET enabled = $3, disabled_at = CASE WHEN NOT $3 THEN coalesce(disabled_at, now()) END,
    disabled_by = CASE WHEN NOT $3 THEN 'operator' END, failing_since = CASE WHEN NOT $3 THEN failing_since END,
    failing_told_at = CASE WHEN NOT $3 THEN failing_told_at END, updated_at = now()
WHERE tenant_id = $1 AND id = $2
RETURNING {_SHOWN}
"""  # noqa: S608 constants
_ALL: Final = """
SELECT t.slug, e.id AS endpoint_id, e.url, e.enabled, e.disabled_by, e.disabled_at, e.failing_since
FROM endpoint e JOIN tenant t ON t.id = e.tenant_id WHERE $1::text IS NULL OR t.slug = $1 ORDER BY t.slug, e.id
"""
_CALL_APPEND: Final = call("event_append", "tenant_id", "type", "subject", "data")


@dataclass(frozen=True, slots=True)
class EndpointValues:
    """The values of an endpoint that its tenant chooses, as they are stored."""

    url: str
    event_types: Sequence[str]
    filter_tasks: Sequence[str] | None
    filter_tags: Sequence[str] | None
    description: str | None
    sealed_headers: str | None
    header_names: Sequence[str]
    rate_per_second: int | None
    enabled: bool

    def columns(self) -> tuple[Any, ...]:
        """Return the values in the order of the statements' parameters."""
        return (
            self.url, list(self.event_types), self.filter_tasks, self.filter_tags, self.description,
            self.sealed_headers, list(self.header_names), self.rate_per_second, self.enabled,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """An endpoint as its tenant sees it."""

    endpoint_id: UUID
    url: str
    event_types: list[str]
    filter_tasks: list[str] | None
    filter_tags: list[str] | None
    description: str | None
    header_names: list[str]
    rate_per_second: int | None
    enabled: bool
    disabled_at: datetime | None
    disabled_by: str | None
    failing_since: datetime | None
    created_at: datetime
    updated_at: datetime


async def lock_slots(connection: Connection, tenant_id: UUID) -> int:
    """Lock the tenant's slots, before any other row; return the number of its latest event."""
    return int(await connection.fetchval(_LOCK_SLOTS, tenant_id) or 0)


async def mark_feature(connection: Connection, tenant_id: UUID) -> None:
    """Write into the slots whether the tenant has endpoints."""
    await connection.execute(_MARK, tenant_id)


async def count(connection: Connection, tenant_id: UUID) -> int:
    """Return how many endpoints a tenant has."""
    return int(await connection.fetchval("SELECT count(*) FROM endpoint WHERE tenant_id = $1", tenant_id))


async def insert(
    connection: Connection, tenant_id: UUID, endpoint_id: UUID, values: EndpointValues, after_seq: int
) -> EndpointRow:
    """Insert an endpoint that gets the events after ``after_seq``."""
    row = await connection.fetchrow(_INSERT, tenant_id, endpoint_id, *values.columns(), after_seq)
    return EndpointRow(**_required(row))


async def change(connection: Connection, tenant_id: UUID, endpoint_id: UUID, values: EndpointValues) -> EndpointRow:
    """Write an endpoint's values. What was known about failures ends with a new URL, or when it is enabled."""
    row = await connection.fetchrow(_CHANGE, tenant_id, endpoint_id, *values.columns())
    return EndpointRow(**_required(row))


async def delete(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> bool:
    """Delete an endpoint with its secrets; return whether it was there. What waits for it is ended later."""
    return affected(await connection.execute(_DELETE, tenant_id, endpoint_id)) == 1


async def lock(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> tuple[EndpointRow, str | None] | None:
    """Return an endpoint with its sealed headers, and lock its row until the transaction ends."""
    row = await connection.fetchrow(
        "SELECT sealed_headers FROM endpoint WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tenant_id, endpoint_id
    )
    found = await find(connection, tenant_id, endpoint_id)
    return (found, row["sealed_headers"]) if row is not None and found is not None else None


async def find(connection: Connection, tenant_id: UUID, endpoint_id: UUID) -> EndpointRow | None:
    """Return an endpoint."""
    row = await connection.fetchrow(_FIND, tenant_id, endpoint_id)
    return EndpointRow(**row) if row else None


async def page(connection: Connection, tenant_id: UUID, *, before: UUID, limit: int) -> list[EndpointRow]:
    """Return up to ``limit`` endpoints older than the id ``before``, newest first."""
    return [EndpointRow(**row) for row in await connection.fetch(_PAGE, tenant_id, before, limit)]


async def switch(connection: Connection, tenant_id: UUID, endpoint_id: UUID, *, is_enabled: bool) -> EndpointRow:
    """Enable or disable an endpoint for the operator."""
    return EndpointRow(**_required(await connection.fetchrow(_SWITCH, tenant_id, endpoint_id, is_enabled)))


async def list_any_tenant(connection: Connection, slug: str | None) -> list[dict[str, Any]]:
    """Return the endpoints of every tenant, or of the one with the slug, for the operator."""
    return [dict(row) for row in await connection.fetch(_ALL, slug)]


async def count_failing_any_tenant(connection: Connection) -> int:
    """Return how many enabled endpoints fail."""
    query = "SELECT count(*) FROM endpoint WHERE enabled AND failing_since IS NOT NULL"
    failing: int = await connection.fetchval(query)
    return failing


async def append_event(
    connection: Connection, tenant_id: UUID, number: int, endpoint_id: UUID, data: Mapping[str, Any]
) -> None:
    """Append an event about an endpoint (migrations/functions: event_append). ``number`` is the type."""
    await connection.execute(f"SELECT {_CALL_APPEND}", tenant_id, number, endpoint_id, dict(data))


def _required(row: Any) -> dict[str, Any]:
    return dict(row)
