"""SQL of the dispatcher over all tenants' tasks: which are due, lost or expired, and which can be deleted.

Statements that write take ``fence``, the token of the dispatcher's lease: they change nothing once another dispatcher
leads. Reads need no fence, because what follows from them is fenced, or is only a hint.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.db import Connection, affected
from app.tasks.run import timing
from app.tenants import plans


@dataclass(frozen=True, slots=True)
class Lost:
    """A running attempt whose worker is dead, does not know it, or has missed its deadline."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID
    pool: str
    reason: str
    times_lost: int
    """Attempts of the task that were lost before."""


async def tenants_with_due_work_any_tenant(connection: Connection) -> "list[tuple[UUID, str]]":
    """Return every tenant and pool that has a due task and may start it, and is neither suspended nor paused.

    A skip scan: one probe of the index for each tenant that has a backlog, however long that is.
    """
    rows = await connection.fetch(_DUE_TENANTS)
    return [(row["tenant_id"], row["pool"]) for row in rows]


_DUE_TENANTS = """
WITH RECURSIVE line AS (
    (SELECT tenant_id, pool FROM backlog ORDER BY pool, tenant_id LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.pool FROM line, LATERAL (
        SELECT b.tenant_id, b.pool FROM backlog b
        WHERE (b.pool, b.tenant_id) > (line.pool, line.tenant_id) ORDER BY b.pool, b.tenant_id LIMIT 1
    ) AS n
)
SELECT line.tenant_id, line.pool
FROM line
-- One by one, by the key: statistics that do not know how many tenants have come make a plan compare each with each.
CROSS JOIN LATERAL (
    SELECT FROM tenant t WHERE t.id = line.tenant_id AND t.status = 'active' AND NOT t.queue_paused LIMIT 1
) AS active
CROSS JOIN LATERAL (
    SELECT (
        SELECT p.unjudged_cap FROM pool_slots p
        WHERE p.pool = line.pool AND p.judged_at > now() - interval '15 seconds'
    ) AS unjudged OFFSET 0
) AS p
CROSS JOIN LATERAL (
    SELECT FROM tenant_slots s WHERE s.tenant_id = line.tenant_id AND s.running < s.running_limit AND CASE line.pool
        WHEN 'asyncio' THEN s.running_asyncio < slots_cap(s.cap_asyncio, s.short_until_asyncio, p.unjudged)
        ELSE s.running - s.running_asyncio < slots_cap(s.cap_prefork, s.short_until_prefork, p.unjudged) END LIMIT 1
) AS free
WHERE EXISTS (
    -- The first from here on, in the order of the one index that has it. Asked for by the tenant, a plan that is made
    -- while statistics are being taken may read all of a tenant's rows by another one, and sort them.
    SELECT FROM generate_series(0, 9) AS p, LATERAL (
        SELECT b.pool, b.tenant_id, b.priority, b.due_at FROM backlog b
        WHERE (b.pool, b.tenant_id, b.priority) >= (line.pool, line.tenant_id, p::smallint)
        ORDER BY b.pool, b.tenant_id, b.priority, b.due_at LIMIT 1
    ) AS first
    WHERE first.pool = line.pool AND first.tenant_id = line.tenant_id AND first.priority = p AND first.due_at <= now()
)
"""


async def running_seconds_any_tenant(connection: Connection) -> dict[UUID, float]:
    """Return how long each tenant's running attempts have run in all."""
    rows = await connection.fetch(
        # Materialized: otherwise a plan may read all attempts in the order of the tenants, to group them.
        "WITH running AS MATERIALIZED (SELECT tenant_id, started_at FROM attempt WHERE finished_at IS NULL) "
        "SELECT tenant_id, extract(epoch FROM sum(now() - started_at))::float8 AS seconds FROM running "
        "GROUP BY tenant_id"
    )
    return {row["tenant_id"]: row["seconds"] for row in rows}


async def weights_any_tenant(connection: Connection, tenant_ids: Iterable[UUID]) -> dict[UUID, int]:
    """Return the weight of each tenant: its own if set, otherwise that of its plan."""
    rows = await connection.fetch(
        "SELECT id, plan, (limits ->> 'weight')::integer AS weight FROM tenant WHERE id = ANY($1::uuid[])",
        list(tenant_ids),
    )
    return {row["id"]: plans.effective_limit("weight", row["plan"], row["weight"]) for row in rows}


async def fallen_due_any_tenant(connection: Connection, since: datetime) -> "tuple[list[tuple[UUID, str]], datetime]":
    """Return tenants and pools whose scheduled work has fallen due since a moment, and the moment of looking."""
    # The time is read first, so that a task that falls due between the two statements is found in the next round.
    now: datetime = await connection.fetchval("SELECT now()")
    rows = await connection.fetch(
        "SELECT DISTINCT tenant_id, pool FROM backlog WHERE is_scheduled AND due_at > $1 AND due_at <= $2", since, now
    )
    return [(row["tenant_id"], row["pool"]) for row in rows], now


async def expired_any_tenant(connection: Connection, limit: int) -> "list[tuple[UUID, UUID]]":
    """Return the tenant and id of waiting tasks whose time to start has passed."""
    rows = await connection.fetch(
        "SELECT tenant_id, task_id FROM backlog WHERE expires_at <= now() ORDER BY expires_at LIMIT $1", limit
    )
    return [(row["tenant_id"], row["task_id"]) for row in rows]


_LOST = """
SELECT a.tenant_id, a.task_id, a.claim_token, k.pool, n.times_lost,
    CASE WHEN a.deadline_at < now() THEN 'deadline' WHEN w.id IS NULL THEN 'worker ended'
         WHEN w.heartbeat_at < now() - $1::interval THEN 'worker dead' ELSE 'not known to its worker' END AS reason
FROM attempt a
LEFT JOIN worker w ON w.id = a.worker_id
CROSS JOIN LATERAL (SELECT t.pool FROM task t WHERE t.tenant_id = a.tenant_id AND t.id = a.task_id LIMIT 1) AS k
CROSS JOIN LATERAL (
    SELECT count(*) AS times_lost FROM attempt b
    WHERE b.tenant_id = a.tenant_id AND b.task_id = a.task_id AND b.status = 'LOST'
) AS n
WHERE a.finished_at IS NULL AND (
    a.deadline_at < now()
    OR (w.id IS NULL AND a.started_at < now() - $1::interval)
    OR w.heartbeat_at < now() - $1::interval
    -- Its worker lists what it runs: two heartbeats after the claim this one was not there.
    OR (a.started_at < w.heartbeat_at - $3::interval AND NOT a.claim_token = ANY(w.claim_tokens))
)
LIMIT $2
"""


async def lost_any_tenant(connection: Connection, lease_seconds: float, limit: int) -> "list[Lost]":
    """Return running attempts whose worker is dead or does not know them, or which are past their deadline."""
    rows = await connection.fetch(
        _LOST, timedelta(seconds=lease_seconds), limit, timedelta(seconds=timing.UNKNOWN_AFTER)
    )
    return [Lost(**dict(row)) for row in rows]


async def forget_dead_workers_any_tenant(connection: Connection, fence: UUID) -> None:
    """Delete the rows of workers without a heartbeat for a minute and without a running attempt."""
    await connection.execute(
        "DELETE FROM worker w WHERE w.heartbeat_at < now() - interval '1 minute' "
        "AND NOT EXISTS (SELECT FROM attempt a WHERE a.worker_id = w.id AND a.finished_at IS NULL) "
        "AND (SELECT dispatcher_leads($1))",
        fence,
    )


async def prune(connection: Connection, tenant_id: UUID, retention: timedelta, limit: int, fence: UUID) -> int:
    """Delete up to ``limit`` of the tenant's tasks that ended so long ago (migrations/functions: prune_tasks)."""
    pruned: int | None = await connection.fetchval(
        "SELECT prune_tasks(p_tenant => $1, p_before => now() - $2::interval, p_limit => $3) "
        "WHERE (SELECT dispatcher_leads(p_token => $4))",
        tenant_id, retention, limit, fence,
    )  # fmt: skip
    return pruned or 0


async def prune_account(connection: Connection, tenant_id: UUID, limit: int, fence: UUID) -> int:
    """Delete up to ``limit`` of the tenant's long ended keys and old audit events, by ``prune_account``."""
    pruned: int | None = await connection.fetchval(
        "SELECT prune_account(p_tenant => $1, p_limit => $2) WHERE (SELECT dispatcher_leads(p_token => $3))",
        tenant_id, limit, fence,
    )  # fmt: skip
    return pruned or 0


async def prune_idempotency_keys_any_tenant(connection: Connection, limit: int, fence: UUID) -> int:
    """Delete the ``limit`` oldest of the keys that are past their validity of 24 h; return how many.

    It may delete a few more, which are exactly as old as the last of these.
    """
    done = await connection.execute(
        # Selected only by time: a key that is used again at this moment gets a new time, and stays.
        "DELETE FROM idempotency_key WHERE created_at <= (SELECT max(created_at) FROM ("
        "SELECT created_at FROM idempotency_key WHERE created_at < now() - interval '25 hours' "
        "ORDER BY created_at LIMIT $1) AS old) AND (SELECT dispatcher_leads($2))",
        limit,
        fence,
    )
    return affected(done)


async def drop_partitions_any_tenant(connection: Connection, retention: timedelta, fence: UUID) -> int:
    """Drop the months that are empty and older than the longest retention; return how many tables were dropped."""
    dropped: int | None = await connection.fetchval(
        "SELECT drop_partitions(now() - $1::interval) WHERE (SELECT dispatcher_leads($2))", retention, fence
    )
    return dropped or 0


async def partitioned_tables_any_tenant(connection: Connection) -> list[tuple[str, str]]:
    """Return the tables that are partitioned by time, and their unit: ``month`` or ``day``."""
    return [(row["name"], row["unit"]) for row in await connection.fetch("SELECT name, unit FROM partitioned_tables()")]


async def partition_step_any_tenant(
    connection: Connection, table: str, ahead: int, fence: UUID | None
) -> "tuple[str, int] | None":
    """Make one month or day that is missing, or whose rows lie in DEFAULT (migrations/functions: partition_step).

    Returns its name and how many rows moved to it from DEFAULT; None when nothing is left to do. ``ahead`` counts
    months or days after this one. ``fence`` is None when the caller is not the dispatcher.
    """
    step = "SELECT period, moved FROM partition_step(p_table => $1, p_ahead => $2)"
    if fence is None:
        row = await connection.fetchrow(step, table, ahead)
    else:
        row = await connection.fetchrow(f"{step} WHERE (SELECT dispatcher_leads($3))", table, ahead, fence)
    return (row["period"], row["moved"]) if row else None
