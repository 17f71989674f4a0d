"""SQL of the readiness probe."""

from dataclasses import dataclass
from typing import Any, Final

from app.core import schema
from app.db import Connection, primary
from app.processes import store
from app.processes.heartbeat import STALE

# Live workers with slots, by pool, and the seconds since the last round of the leading dispatcher. A dispatcher that
# was stopped may still have a row that says it leads, so the freshest row counts.
_PROCESSES: Final = f"""
SELECT
    (SELECT coalesce(jsonb_object_agg(pool, workers), '{{}}') FROM (
        SELECT pool, count(*) AS workers FROM worker
        WHERE slots > 0 AND heartbeat_at > now() - interval '{STALE} seconds' GROUP BY pool) AS living) AS workers,
    (SELECT min(extract(epoch FROM now() - heartbeat_at)::float8 + (details->>'round_age')::float8)
        FROM process_heartbeat
        WHERE kind = 'dispatcher' AND details @> '{{"leads": true}}'
          AND heartbeat_at > now() - interval '{STALE} seconds') AS round_age
"""  # noqa: S608 a number of ours


@dataclass(frozen=True)
class Found:
    """The result of one look at Postgres."""

    place: primary.Place | None
    schema_version: str | None
    workers: dict[str, int]
    """Live workers with slots, by pool."""
    round_age: float | None
    """Seconds since the last round of the leading dispatcher; ``None`` when none leads."""


async def look_any_tenant(connection: Connection) -> Found:
    """Return the state of the server, its schema, the workers and the dispatcher."""
    place = await primary.place(connection, timeout=2)
    version = await store.schema_version_any_tenant(connection)
    # The tables below may not exist, or differ, in another version of the schema.
    if schema.fault(version):
        return Found(place, version, {}, None)
    row: Any = await connection.fetchrow(_PROCESSES)
    return Found(place, version, row["workers"], row["round_age"])
