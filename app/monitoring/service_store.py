"""SQL of the metrics of the whole service, as tq_admin. Each statement is bounded, whatever waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.admin import delivery_store
from app.admin import store as admin_store
from app.broker.ring import RINGS
from app.db import Connection
from app.processes import store as processes
from app.webhooks.endpoints import store as endpoints

_MAX_COUNTED: Final = 100_000
"""Waiting tasks of a pool that are counted: more would cost the server more than the number is worth."""
_ASKED: Final = 200
"""Tenants of which the first waiting task is looked up."""

_WAITING: Final = """
SELECT pool.name AS pool, (
    SELECT count(*) FROM (SELECT FROM backlog b WHERE b.pool = pool.name AND b.due_at <= now() LIMIT $2) AS few
) AS tasks
FROM unnest($1::text[]) AS pool (name)
"""
# The index begins with pool, tenant and priority, so each probe reads one row of it, whatever waits.
_OLDEST: Final = """
SELECT pool.name AS pool, coalesce(extract(epoch FROM now() - min(first.due_at)), 0)::float8 AS seconds
FROM unnest($2::text[]) AS pool (name) LEFT JOIN LATERAL (
    SELECT one.due_at FROM unnest($1::uuid[]) AS tenant (id) CROSS JOIN generate_series(0, 9) AS level (priority)
    CROSS JOIN LATERAL (
        SELECT b.due_at FROM backlog b
        WHERE b.pool = pool.name AND b.tenant_id = tenant.id AND b.priority = level.priority ORDER BY b.due_at LIMIT 1
    ) AS one WHERE one.due_at <= now()
) AS first ON true
GROUP BY pool.name
"""
# By the bounds and not the names: a partition may contain several months or days. DEFAULT does not match.
_MISSING: Final = r"""
SELECT c.relname::text AS name, (
    SELECT count(*) FROM unnest(CASE u.unit WHEN 'month'
        THEN ARRAY[date_trunc('month', now(), 'UTC'), date_trunc('month', now(), 'UTC') + interval '1 month']
        ELSE ARRAY[date_trunc('day', now(), 'UTC'), date_trunc('day', now(), 'UTC') + interval '1 day'] END
    ) AS want (at)
    WHERE NOT EXISTS (
        SELECT FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid
        CROSS JOIN LATERAL regexp_match(
            pg_get_expr(k.relpartbound, k.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') AS m
        WHERE i.inhparent = c.oid AND CASE u.unit
            WHEN 'month' THEN m[1]::uuid <= x.bound AND m[2]::uuid > x.bound
            ELSE m[1]::timestamptz <= want.at AND m[2]::timestamptz > want.at END)
) AS missing
FROM pg_partitioned_table p
JOIN pg_class c ON c.oid = p.partrelid AND c.relnamespace = 'public'::regnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.partattrs[0]
CROSS JOIN LATERAL (SELECT CASE a.atttypid WHEN 'uuid'::regtype THEN 'month' ELSE 'day' END AS unit) AS u
WHERE p.partstrat = 'r' AND p.partnatts = 1 AND a.atttypid IN ('uuid'::regtype, 'timestamptz'::regtype)
"""
# An id of a month begins with its milliseconds, as UUIDv7 has them.
_BOUND: Final = "rpad(lpad(to_hex((extract(epoch FROM want.at) * 1000)::bigint), 12, '0'), 32, '0')::uuid"
_MISSING_PARTITIONS: Final = _MISSING.replace("x.bound", _BOUND)
# Not by backend_type, which Postgres hides from tq_admin for the sessions of all other roles.
_CONNECTIONS: Final = """
SELECT (
        SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND leader_pid IS NULL
    ) AS used,
    current_setting('max_connections')::integer AS max
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The state of the service in Postgres."""

    tenants: Sequence[dict[str, Any]]
    """Waiting and running tasks of each tenant."""
    waiting: dict[str, int]
    oldest: dict[str, float]
    workers: Sequence[Any]
    processes: Sequence[Any]
    has_leader: bool
    deliveries_late: float
    endpoints_failing: int
    partitions_missing: dict[str, int]
    connections: int
    connections_max: int


async def look_any_tenant(connection: Connection) -> Seen:
    """Return the state of the service."""
    tenants = await admin_store.queues_any_tenant(connection)
    asked = sorted((row for row in tenants if _may_run(row)), key=lambda row: -row["waiting"])[:_ASKED]
    pools = list(RINGS)
    lease = await processes.lease_any_tenant(connection)
    waiting = await connection.fetch(_WAITING, pools, _MAX_COUNTED)
    oldest = await connection.fetch(_OLDEST, [row["tenant_id"] for row in asked], pools)
    missing = await connection.fetch(_MISSING_PARTITIONS)
    used: Any = await connection.fetchrow(_CONNECTIONS)
    return Seen(
        tenants=tenants,
        waiting={row["pool"]: row["tasks"] for row in waiting},
        oldest={row["pool"]: row["seconds"] for row in oldest},
        workers=await processes.workers_any_tenant(connection),
        processes=await processes.list_any_tenant(connection),
        has_leader=bool(lease and lease["holder"] and lease["seconds_left"] > 0),
        deliveries_late=max(0.0, await delivery_store.lag_any_tenant(connection) or 0.0),
        endpoints_failing=await endpoints.count_failing_any_tenant(connection),
        partitions_missing={row["name"]: row["missing"] for row in missing},
        connections=used["used"],
        connections_max=used["max"],
    )


def _may_run(row: dict[str, Any]) -> bool:
    """Return whether tasks of a tenant wait that neither its limit nor a pause holds back."""
    is_paused = row["queue_paused"] or row["queue_paused_by_tenant"] or row["status"] != "active"
    return bool(row["waiting"]) and not is_paused and row["running"] < row["running_limit"]
