"""SQL of the slots of each pool: which tenants have long tasks, and how many slots each of them may have.

The rules are in app/dispatch/long_task_caps.py. Two names in the SQL: a *cap* is the number of slots that a tenant may
have in a pool while it has long tasks. *Held* are running attempts that are older than a second or of a long type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.db import Connection
from app.tasks.lease_store import REMOTE_WORKER
from app.tasks.run import timing
from app.tenants import plans


@dataclass(frozen=True, slots=True)
class PoolUsage:
    """The use of one pool by a tenant that has long tasks now, or had them at the last look."""

    tenant_id: UUID
    pool: str
    cap: int | None
    """The cap that is stored now; None if there is none."""
    held: int
    """Running attempts that are older than a second, or of a long type."""
    waiting: int
    """Due tasks, counted up to ``max_waiting``."""
    is_long: bool
    weight: int


# A heartbeat that is ahead is a dead worker's, from before the clock was set back.
_SLOTS = """
SELECT pool, sum(slots)::integer AS slots FROM worker
WHERE heartbeat_at BETWEEN now() - $1::interval AND now() + $1::interval GROUP BY pool
"""

# $1: the long task types; $2: the most due tasks that are counted for a tenant; $3: how long a short attempt runs;
# $4: the worker_id of tenants' own workers.
# The CTEs are MATERIALIZED, and what is read for each tenant is LATERAL with a LIMIT. So the plan is the same whatever
# the statistics say: it reads the running attempts once, and then probes one index for each row
# (docs/decisions/0010-plans-whatever-statistics-know.md).
_POOL_USAGE = """
WITH running AS MATERIALIZED (
    -- All running attempts: a partial index has just these, so months of ended attempts cost nothing.
    -- Tenants' own workers take no slots of the service.
    SELECT tenant_id, task_id, started_at FROM attempt WHERE finished_at IS NULL AND worker_id <> $4
), held AS MATERIALIZED (
    -- For each tenant and pool, how many of them are long. LATERAL: the task is found by its key, one probe for each.
    SELECT r.tenant_id, k.pool, count(*)::integer AS held
    FROM running r
    CROSS JOIN LATERAL (
        SELECT t.pool, t.task FROM task t WHERE t.tenant_id = r.tenant_id AND t.id = r.task_id LIMIT 1
    ) AS k
    WHERE r.started_at < now() - $3::interval OR k.task = ANY($1::text[])
    GROUP BY r.tenant_id, k.pool
), capped AS MATERIALIZED (
    -- Tenants with a cap. They are judged too, because the cap of a tenant without long tasks has to go.
    SELECT tenant_id, cap_prefork, cap_asyncio, cap_http FROM tenant_slots
    WHERE cap_prefork IS NOT NULL OR cap_asyncio IS NOT NULL OR cap_http IS NOT NULL
), named AS MATERIALIZED (
    -- The tenants and pools of the answer, each once.
    SELECT tenant_id, pool FROM held
    UNION SELECT tenant_id, 'prefork' FROM capped WHERE cap_prefork IS NOT NULL
    UNION SELECT tenant_id, 'asyncio' FROM capped WHERE cap_asyncio IS NOT NULL
    UNION SELECT tenant_id, 'http' FROM capped WHERE cap_http IS NOT NULL
)
SELECT n.tenant_id, n.pool,
    CASE n.pool WHEN 'asyncio' THEN s.cap_asyncio WHEN 'http' THEN s.cap_http ELSE s.cap_prefork END AS cap,
    coalesce(h.held, 0) AS held, CASE WHEN t.is_open THEN d.waiting ELSE 0 END AS waiting,
    coalesce(h.held, 0) > 0 OR d.has_long OR EXISTS (
        SELECT FROM backlog b WHERE b.tenant_id = n.tenant_id AND b.pool = n.pool AND b.is_long AND b.due_at <= now()
    ) AS is_long,
    t.plan, t.weight
FROM named n
LEFT JOIN held h ON h.tenant_id = n.tenant_id AND h.pool = n.pool
CROSS JOIN LATERAL (SELECT * FROM tenant_slots w WHERE w.tenant_id = n.tenant_id LIMIT 1) AS s
CROSS JOIN LATERAL (
    SELECT w.plan, (w.limits ->> 'weight')::integer AS weight,
        w.status = 'active' AND NOT w.queue_paused AND NOT w.queue_paused_by_tenant AS is_open
    FROM tenant w WHERE w.id = n.tenant_id LIMIT 1
) AS t
CROSS JOIN LATERAL (
    -- Count the tenant's due tasks, highest priority first, and stop at the bound. The first five are also looked up by
    -- their type: they may have been submitted before it was known to be long, so backlog.is_long does not say so.
    SELECT count(*)::integer AS waiting, coalesce(bool_or(o.place <= 5 AND EXISTS (
        SELECT FROM task k WHERE k.tenant_id = n.tenant_id AND k.id = o.task_id AND k.task = ANY($1::text[])
    )), false) AS has_long
    FROM (
        -- LATERAL for each priority, so that the index of the backlog is read in its own order, without a sort.
        SELECT b.task_id, row_number() OVER () AS place FROM generate_series(9, 0, -1) AS p, LATERAL (
            SELECT w.task_id FROM backlog w
            WHERE (w.pool, w.tenant_id, w.priority) >= (n.pool, n.tenant_id, p::smallint)
              AND (w.pool, w.tenant_id, w.priority, w.due_at) <= (n.pool, n.tenant_id, p::smallint, now())
            ORDER BY w.pool, w.tenant_id, w.priority, w.due_at LIMIT $2
        ) AS b LIMIT $2
    ) AS o
) AS d
"""

# $1 and $3: tenants and their caps; $2: the pool; $4: the token of the lease.
_SET_CAPS = """
WITH locked AS MATERIALIZED (
    -- Locks the rows by tenant, the same order as in claims and ends, so that they cannot deadlock. MATERIALIZED: the
    -- UPDATE below would otherwise lock them in the order of its own plan.
    SELECT s.tenant_id FROM tenant_slots s WHERE s.tenant_id = ANY($1::uuid[]) ORDER BY s.tenant_id FOR NO KEY UPDATE
)
UPDATE tenant_slots s
SET cap_prefork = CASE $2::text WHEN 'prefork' THEN c.cap ELSE s.cap_prefork END,
    cap_asyncio = CASE $2::text WHEN 'asyncio' THEN c.cap ELSE s.cap_asyncio END,
    cap_http = CASE $2::text WHEN 'http' THEN c.cap ELSE s.cap_http END
FROM locked l JOIN unnest($1::uuid[], $3::integer[]) AS c (tenant_id, cap) ON c.tenant_id = l.tenant_id
WHERE s.tenant_id = l.tenant_id AND (SELECT dispatcher_leads($4))
"""

# $1: pool; $2: its slots; $3: slots that are free for long tasks; $4: the token of the lease. The statement neither
# writes nor locks if nothing has changed and the last look is less than 3 s old: claims read this row all the time.
_WRITE_POOL = """
WITH changed AS (
    -- Updates the row of a known pool, if that is necessary. A WITH that writes always runs.
    UPDATE pool_slots p SET slots = $2, unjudged_cap = $2 - 1, free_for_long = $3, judged_at = now()
    WHERE p.pool = $1 AND (p.slots <> $2 OR p.free_for_long <> $3 OR p.judged_at < now() - interval '3 seconds')
      AND (SELECT dispatcher_leads($4))
)
INSERT INTO pool_slots (pool, slots, unjudged_cap, free_for_long, judged_at)
SELECT $1, $2, $2 - 1, $3, now() WHERE NOT EXISTS (SELECT FROM pool_slots p WHERE p.pool = $1)
  AND (SELECT dispatcher_leads($4))
"""


async def slots_any_tenant(connection: Connection) -> dict[str, int]:
    """Return how many slots the living workers of each pool have."""
    dead_after = timedelta(seconds=timing.WORKER_DEAD_AFTER)
    return {row["pool"]: row["slots"] for row in await connection.fetch(_SLOTS, dead_after)}


async def pool_usage_any_tenant(connection: Connection, long_types: Sequence[str], max_waiting: int) -> list[PoolUsage]:
    """Return each tenant and pool with long tasks or a cap. At most ``max_waiting`` due tasks of each are counted."""
    short = timedelta(seconds=timing.SHORT_ATTEMPT)
    rows = await connection.fetch(_POOL_USAGE, long_types, max_waiting, short, REMOTE_WORKER)
    return [
        PoolUsage(
            tenant_id=row["tenant_id"],
            pool=row["pool"],
            cap=row["cap"],
            held=row["held"],
            waiting=row["waiting"],
            is_long=row["is_long"],
            weight=row["weight"] or plans.PLANS[row["plan"]].weight,
        )
        for row in rows
    ]


async def set_caps_any_tenant(connection: Connection, pool: str, caps: Mapping[UUID, int | None], fence: UUID) -> None:
    """Write the caps of tenants in a pool; None removes a cap."""
    if caps:
        await connection.execute(_SET_CAPS, list(caps), pool, list(caps.values()), fence)


async def write_pool_any_tenant(connection: Connection, pool: str, slots: int, free_for_long: int, fence: UUID) -> None:
    """Write a pool's slots, how many of them are free for long tasks, and the time of this look."""
    await connection.execute(_WRITE_POOL, pool, slots, free_for_long, fence)


async def forget_pools_any_tenant(connection: Connection, known: Sequence[str], fence: UUID) -> None:
    """Delete the pools that ``known`` does not contain. Claims then apply no caps in them."""
    await connection.execute(
        "DELETE FROM pool_slots WHERE NOT pool = ANY($1::text[]) AND (SELECT dispatcher_leads($2))", known, fence
    )


async def long_types_any_tenant(connection: Connection) -> set[str]:
    """Return the task types that were found to be long."""
    return {row["task"] for row in await connection.fetch("SELECT task FROM long_task_type")}


async def set_long_types_any_tenant(connection: Connection, long_types: Sequence[str], fence: UUID) -> None:
    """Write which task types are long."""
    await connection.execute(
        "WITH gone AS (DELETE FROM long_task_type WHERE NOT task = ANY($1::text[]) AND (SELECT dispatcher_leads($2))) "
        "INSERT INTO long_task_type (task) SELECT unnest($1::text[]) WHERE (SELECT dispatcher_leads($2)) "
        "ON CONFLICT DO NOTHING",
        long_types,
        fence,
    )
