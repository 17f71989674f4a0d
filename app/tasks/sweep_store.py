"""SQL of the dispatcher over the tasks of all tenants: which are due, lost or expired, and which can be deleted.

Statements that write take ``fence``, the token of the dispatcher's lease: they change nothing if another dispatcher
leads. Reads need no fence, because the writes that follow from them are fenced, or are only hints.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from app.db import Connection, affected
from app.tasks.lease_store import REMOTE_WORKER
from app.tasks.run import timing
from app.tenants import plans


@dataclass(frozen=True, slots=True)
class Lost:
    """A running attempt that is lost: its worker is dead or does not know it, or its deadline has passed."""

    tenant_id: UUID
    task_id: UUID
    claim_token: UUID
    pool: str
    reason: str
    times_lost: int
    """The number of the task's attempts that were lost before."""


async def tenants_with_due_work_any_tenant(connection: Connection) -> "list[tuple[UUID, str]]":
    """Return each (tenant, pool) that has a due task and a free slot, and is neither suspended nor paused.

    The cost grows with the number of tenants that have a backlog, but not with its length.
    """
    rows = await connection.fetch(_DUE_TENANTS, timedelta(seconds=timing.WORKER_DEAD_AFTER))
    return [(row["tenant_id"], row["pool"]) for row in rows]


# $1: the age at which the numbers of a pool count no more.
_DUE_TENANTS = """
-- waiting: every tenant and pool with a backlog. A skip scan: each step finds the next one by one probe of the index,
-- so it reads one row for each tenant, and not all of its tasks.
WITH RECURSIVE waiting AS (
    (SELECT tenant_id, pool FROM backlog ORDER BY pool, tenant_id LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.pool FROM waiting, LATERAL (
        SELECT b.tenant_id, b.pool FROM backlog b
        WHERE (b.pool, b.tenant_id) > (waiting.pool, waiting.tenant_id) ORDER BY b.pool, b.tenant_id LIMIT 1
    ) AS n
)
SELECT waiting.tenant_id, waiting.pool
FROM waiting
-- active: the tenant may start tasks. LATERAL with LIMIT, here and below, means one look-up by the key for each tenant.
-- If statistics do not know the number of tenants, a plan for a plain join compares each row with each.
CROSS JOIN LATERAL (
    SELECT FROM tenant t WHERE t.id = waiting.tenant_id AND t.status = 'active'
        AND NOT t.queue_paused AND NOT t.queue_paused_by_tenant LIMIT 1
) AS active
-- p: the pool's cap for tenants that are not judged yet; null if the judgement is not fresh. OFFSET 0 keeps Postgres
-- from inlining the subquery, which it would then run for each use.
CROSS JOIN LATERAL (
    SELECT (
        SELECT p.unjudged_cap FROM pool_slots p
        WHERE p.pool = waiting.pool AND p.judged_at > now() - $1::interval
    ) AS unjudged OFFSET 0
) AS p
-- free: the tenant has a free slot, within its limit and within its cap of the pool.
CROSS JOIN LATERAL (
    SELECT FROM tenant_slots s
    WHERE s.tenant_id = waiting.tenant_id AND CASE WHEN waiting.pool LIKE 'remote:%' THEN s.leased < s.lease_limit
        ELSE s.running < s.running_limit AND CASE waiting.pool
            WHEN 'asyncio' THEN s.running_asyncio < slots_cap(s.cap_asyncio, s.short_until_asyncio, p.unjudged)
            WHEN 'http' THEN s.running_http < slots_cap(s.cap_http, s.short_until_http, p.unjudged)
            ELSE s.running - s.running_asyncio - s.running_http
                < slots_cap(s.cap_prefork, s.short_until_prefork, p.unjudged) END END LIMIT 1
) AS free
WHERE EXISTS (
    -- first: the earliest due task of each priority: the first entry from its place in the index backlog_due on. With
    -- an equality on the tenant instead, a plan that is made while statistics change may read all of the tenant's rows
    -- by another index, and sort them. The conditions below then check that the entry is due and of this tenant.
    SELECT FROM generate_series(0, 9) AS p, LATERAL (
        SELECT b.pool, b.tenant_id, b.priority, b.due_at FROM backlog b
        WHERE (b.pool, b.tenant_id, b.priority) >= (waiting.pool, waiting.tenant_id, p::smallint)
        ORDER BY b.pool, b.tenant_id, b.priority, b.due_at LIMIT 1
    ) AS first
    WHERE first.pool = waiting.pool AND first.tenant_id = waiting.tenant_id AND first.priority = p
        AND first.due_at <= now()
)
"""


async def running_seconds_any_tenant(connection: Connection) -> dict[UUID, float]:
    """Return the run time of each tenant's running attempts, in seconds. Those of its own workers do not count."""
    rows = await connection.fetch(
        # MATERIALIZED: otherwise a plan may read all attempts, also ended ones, in the order of tenants to group them.
        "WITH running AS MATERIALIZED ("
        "SELECT tenant_id, started_at FROM attempt WHERE finished_at IS NULL AND worker_id <> $1) "
        "SELECT tenant_id, extract(epoch FROM sum(now() - started_at))::float8 AS seconds FROM running "
        "GROUP BY tenant_id",
        REMOTE_WORKER,
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
    """Return each (tenant, pool) with scheduled tasks that became due after ``since``, and the time of this call.

    Pass the returned time as ``since`` of the next call. Both are the database's times.
    """
    rows = await connection.fetch(_FALLEN_DUE, since)
    return [(row["tenant_id"], row["pool"]) for row in rows if row["tenant_id"] is not None], rows[0]["now"]


# There is a row with the time, also if nothing is due.
_FALLEN_DUE = """
SELECT now() AS now, due.tenant_id, due.pool FROM (SELECT) AS always
LEFT JOIN (
    SELECT DISTINCT b.tenant_id, b.pool FROM backlog b WHERE b.is_scheduled AND b.due_at > $1 AND b.due_at <= now()
) AS due ON true
"""


async def expired_any_tenant(connection: Connection, limit: int) -> "list[tuple[UUID, UUID]]":
    """Return (tenant, task) ids of waiting tasks whose time to start has passed, oldest first.

    Up to ``limit`` of those that could run, and as many of those that wait for others.
    """
    rows = await connection.fetch(
        "(SELECT tenant_id, task_id, expires_at FROM backlog WHERE expires_at <= now() ORDER BY expires_at LIMIT $1) "
        # Tasks that wait for others have their rows elsewhere.
        "UNION ALL (SELECT tenant_id, task_id, expires_at FROM held WHERE expires_at <= now() "
        "ORDER BY expires_at LIMIT $1) ORDER BY expires_at",
        limit,
    )
    return [(row["tenant_id"], row["task_id"]) for row in rows]


# k and n use LATERAL, so that they look up the task and its attempts by the key for each lost attempt. There are few,
# but a plan for a plain join may read all tasks.
_LOST = """
SELECT a.tenant_id, a.task_id, a.claim_token, k.pool, n.times_lost,
    CASE WHEN a.deadline_at < now() THEN 'deadline' WHEN w.id IS NULL THEN 'worker ended'
         WHEN w.heartbeat_at NOT BETWEEN now() - $1::interval AND now() + $1::interval THEN 'worker dead'
         ELSE 'not known to its worker' END AS reason
FROM attempt a
LEFT JOIN worker w ON w.id = a.worker_id
-- k: the pool of the task.
CROSS JOIN LATERAL (SELECT t.pool FROM task t WHERE t.tenant_id = a.tenant_id AND t.id = a.task_id LIMIT 1) AS k
-- n: how many attempts of the task were lost before.
CROSS JOIN LATERAL (
    SELECT count(*) AS times_lost FROM attempt b
    WHERE b.tenant_id = a.tenant_id AND b.task_id = a.task_id AND b.status = 'LOST'
) AS n
WHERE a.finished_at IS NULL AND (
    a.deadline_at < now()
    -- Tenants' own workers have leases instead of a heartbeat (app/tasks/expired_lease_store.py).
    OR (a.worker_id <> $4 AND (
    -- A new worker may claim a task before its first heartbeat writes its row.
    (w.id IS NULL AND a.started_at < now() - $1::interval)
    -- A heartbeat of the future comes from before the clock was set back. A living worker has written another since.
    OR w.heartbeat_at NOT BETWEEN now() - $1::interval AND now() + $1::interval
    -- Each heartbeat lists the worker's attempts: two heartbeats after the claim, this attempt was not in the list.
    OR (a.started_at < w.heartbeat_at - $3::interval AND NOT a.claim_token = ANY(w.claim_tokens))
    ))
)
LIMIT $2
"""


async def lost_any_tenant(connection: Connection, lease_seconds: float, limit: int) -> "list[Lost]":
    """Return up to ``limit`` running attempts that are lost, with the reason of each.

    The worker is dead or does not know the attempt, or its deadline has passed. A worker without a heartbeat for
    ``lease_seconds`` is dead.
    """
    rows = await connection.fetch(
        _LOST, timedelta(seconds=lease_seconds), limit, timedelta(seconds=timing.UNKNOWN_AFTER), REMOTE_WORKER
    )
    return [Lost(**dict(row)) for row in rows]


_EXPIRED_BY_TENANT = "SELECT tenant_id, task_id FROM expired_by_tenant(p_beyond => $1, p_tenants => $2, p_each => $3)"


async def expired_by_tenant_any_tenant(
    connection: Connection, beyond: UUID, *, tenants: int, each: int
) -> "tuple[list[tuple[UUID, UUID]], UUID | None]":
    """Return up to ``each`` (tenant, task) ids of expired tasks of the next ``tenants`` tenants after ``beyond``.

    Also returns the last of these tenants, from which the next call goes on; None if there are no further ones.
    """
    rows = await connection.fetch(_EXPIRED_BY_TENANT, beyond, tenants, each)
    seen = dict.fromkeys(row["tenant_id"] for row in rows)
    found = [(row["tenant_id"], row["task_id"]) for row in rows if row["task_id"] is not None]
    return found, next(reversed(seen)) if len(seen) == tenants else None


async def forget_dead_workers_any_tenant(connection: Connection, fence: UUID) -> None:
    """Delete the rows of workers that have sent no heartbeat for a minute and have no running attempt."""
    await connection.execute(
        "DELETE FROM worker w "
        "WHERE w.heartbeat_at NOT BETWEEN now() - interval '1 minute' AND now() + interval '1 minute' "
        "AND NOT EXISTS (SELECT FROM attempt a WHERE a.worker_id = w.id AND a.finished_at IS NULL) "
        "AND (SELECT dispatcher_leads($1))",
        fence,
    )


async def prune(connection: Connection, tenant_id: UUID, retention: timedelta, limit: int, fence: UUID) -> int:
    """Delete up to ``limit`` of the tenant's tasks that ended more than ``retention`` ago; return how many.

    See migrations/functions: prune_tasks.
    """
    pruned: int | None = await connection.fetchval(
        "SELECT prune_tasks(p_tenant => $1, p_before => now() - $2::interval, p_limit => $3) "
        "WHERE (SELECT dispatcher_leads(p_token => $4))",
        tenant_id, retention, limit, fence,
    )  # fmt: skip
    return pruned or 0


async def prune_account(connection: Connection, tenant_id: UUID, limit: int, fence: UUID) -> int:
    """Delete up to ``limit`` each of the tenant's old ended keys, audit events and operations; return how many.

    See migrations/functions: prune_account.
    """
    pruned: int | None = await connection.fetchval(
        "SELECT prune_account(p_tenant => $1, p_limit => $2) WHERE (SELECT dispatcher_leads(p_token => $3))",
        tenant_id, limit, fence,
    )  # fmt: skip
    return pruned or 0


async def prune_idempotency_keys_any_tenant(connection: Connection, limit: int, fence: UUID) -> int:
    """Delete the ``limit`` oldest idempotency keys that are past their 24 h; return how many.

    It may delete a few more, which are exactly as old as the last one.
    """
    done = await connection.execute(
        # Selected only by time, so that a key which is used again at this moment, and so gets a new time, stays.
        # An hour is added to the 24 h, so that no running transaction still treats a deleted key as valid.
        "DELETE FROM idempotency_key WHERE created_at <= (SELECT max(created_at) FROM ("
        "SELECT created_at FROM idempotency_key WHERE created_at < now() - interval '25 hours' "
        "ORDER BY created_at LIMIT $1) AS old) AND (SELECT dispatcher_leads($2))",
        limit,
        fence,
    )
    return affected(done)


async def drop_partitions_any_tenant(connection: Connection, retention: timedelta, fence: UUID) -> int:
    """Drop partitions that are empty and older than ``retention`` (the longest of all); return how many."""
    dropped: int | None = await connection.fetchval(
        "SELECT drop_partitions(now() - $1::interval) WHERE (SELECT dispatcher_leads($2))", retention, fence
    )
    return dropped or 0


async def partitioned_tables_any_tenant(connection: Connection) -> list[tuple[str, str]]:
    """Return the names of the tables that are partitioned by time, each with its unit: ``month`` or ``day``."""
    return [(row["name"], row["unit"]) for row in await connection.fetch("SELECT name, unit FROM partitioned_tables()")]


async def partition_step_any_tenant(
    connection: Connection, table: str, ahead: int, fence: UUID | None
) -> "tuple[str, int] | None":
    """Create one month or day that is missing, or whose rows are in DEFAULT (migrations/functions: partition_step).

    Returns its name and the number of rows that were moved to it from DEFAULT; None if there is nothing to do.
    ``ahead`` counts months or days after the current one. ``fence`` is None if the caller is not the dispatcher.
    Raises ``asyncpg.LockNotAvailableError``.
    """
    step = "SELECT period, moved FROM partition_step(p_table => $1, p_ahead => $2)"
    if fence is None:
        row = await connection.fetchrow(step, table, ahead)
    else:
        row = await connection.fetchrow(f"{step} WHERE (SELECT dispatcher_leads($3))", table, ahead, fence)
    return (row["period"], row["moved"]) if row else None
