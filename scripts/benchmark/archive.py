"""Fills a database with ended tasks of the last three months, inside Postgres, as their owner."""

import asyncio
import sys
from uuid import UUID

import asyncpg

_CHUNK = 200_000
_TENANTS = 100
_DAYS = 85
"""Within the longest retention of a plan, so that nothing of it is pruned while it is measured."""

_MAKE_TENANTS = """
INSERT INTO tenant (id, slug, name, plan)
SELECT gen_random_uuid(), 'archive-' || n, 'archive', 'enterprise' FROM generate_series(1, $1) AS n
"""

# Those months are over: no process makes them any more.
_MAKE_MONTHS = """
SELECT make_partition(parent, month)
FROM generate_series(date_trunc('month', now() - make_interval(days => $1)), now(), interval '1 month') AS month,
    unnest(ARRAY['task', 'attempt', 'result']) AS parent
"""

# A tenth is of one tenant, the rest of many. Ids and times grow together, as they do where tasks are submitted.
_FILL = """
WITH made AS MATERIALIZED (
    SELECT uuidv7(m.at - now()) AS id, m.at, gen_random_uuid() AS token,
        CASE WHEN m.n % 10 = 0 THEN $4 ELSE ($5::uuid[])[1 + m.n % cardinality($5::uuid[])] END AS tenant_id
    FROM (
        SELECT n, now() - make_interval(days => $6) * (1 - n / $3::float8) AS at
        FROM generate_series($1::bigint, $2::bigint - 1) AS n
    ) AS m
), tasks AS (
    INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, attempt, max_attempts,
                      time_limit_seconds, claim_token, created_at, started_at, finished_at)
    SELECT tenant_id, id, 'echo', 'prefork', 'SUCCESS', 4, '{"n": 1}', at, 1, 3, 900, token, at, at, at FROM made
), attempts AS (
    INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, started_at, deadline_at,
                         finished_at)
    SELECT tenant_id, id, 1, 'SUCCESS', token, token, at, at + interval '15 minutes', at FROM made
)
INSERT INTO result (tenant_id, task_id, result) SELECT tenant_id, id, '{"n": 1}' FROM made
"""

_TABLES = ("task", "attempt", "result", "tenant")


def fill(url: str, rows: int, tenant_id: str) -> None:
    """Store so many tasks, each with its attempt and its result; a tenth of them is ``tenant_id``'s."""
    asyncio.run(_fill(url, rows, UUID(tenant_id)))


async def _fill(url: str, rows: int, tenant_id: UUID) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_MAKE_TENANTS.replace("$1", str(_TENANTS)))
        others = [row["id"] for row in await connection.fetch("SELECT id FROM tenant WHERE slug LIKE 'archive-%'")]
        await connection.fetch(_MAKE_MONTHS, _DAYS)
        # Each row's tenant was chosen from its table: to look it up thirty million times would take as long again.
        await connection.execute("SET session_replication_role = replica")
        for first in range(0, rows, _CHUNK):
            beyond = min(first + _CHUNK, rows)
            await connection.execute(_FILL, first, beyond, rows, tenant_id, others, _DAYS)
            print(f"{beyond:,} of {rows:,} rows", file=sys.stderr, flush=True)
        for table in _TABLES:
            await connection.execute(f"VACUUM ANALYZE {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
