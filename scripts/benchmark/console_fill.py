"""Fills a tenant with what a large customer has after a month: ended tasks, errors, counts, deliveries."""

import asyncio
import hashlib
import secrets
import sys
from typing import Final
from uuid import UUID

import asyncpg

_CHUNK: Final = 200_000
_DAYS: Final = 30.0

_MAKE_MONTHS: Final = """
SELECT make_partition(parent, month)
FROM generate_series(date_trunc('month', now() - make_interval(secs => 86400 * $1::float8)), now(),
    interval '1 month') AS month,
    unnest(ARRAY['task', 'attempt', 'result', 'task_log']) AS parent
"""

# $1 to $2: their numbers, $3: of how many, $4: the tenant, $5: days. Ids and times grow together. One in a thousand
# fails and one in a thousand was cancelled: with fewer, a filter by status has to read more to fill a page.
_TASKS: Final = """
WITH made AS MATERIALIZED (
    SELECT uuidv7(m.at - now()) AS id, m.at, gen_random_uuid() AS token, m.n,
        CASE WHEN m.n % 1000 = 7 THEN 'FAILURE' WHEN m.n % 1000 = 8 THEN 'REVOKED' ELSE 'SUCCESS' END AS status,
        (ARRAY['echo', 'long_task', 'http_request'])[1 + m.n % 3] AS task
    FROM (
        SELECT n, now() - make_interval(secs => 86400 * $5::float8) * (1 - n / $3::float8) AS at
        FROM generate_series($1::bigint, $2::bigint - 1) AS n
    ) AS m
), tasks AS (
    INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, attempt, max_attempts,
                      time_limit_seconds, claim_token, created_at, started_at, finished_at, tags, error)
    SELECT $4, id, task, 'prefork', status, 4, '{"n": 1}', at, 1, 3, 900, token, at, at, at + interval '2 seconds',
        ARRAY['customer-' || n % 5000],
        CASE status WHEN 'FAILURE' THEN '{"type": "ValueError", "message": "no", "attempt": 1}'::jsonb END
    FROM made
), attempts AS (
    INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, started_at, deadline_at,
                         finished_at)
    SELECT $4, id, 1, status, token, token, at, at + interval '15 minutes', at + interval '2 seconds' FROM made
)
INSERT INTO result (tenant_id, task_id, result) SELECT $4, id, '{"n": 1}' FROM made WHERE status = 'SUCCESS'
"""

# $1: the tenant. Minutes, hours and days of four task types and of the tenant itself.
_STATS: Final = """
INSERT INTO stat (tenant_id, minutes, starts_at, task, submitted, succeeded, failed, times)
SELECT $1, kind.minutes,
    date_bin(make_interval(mins => kind.minutes), now(), 'epoch') - make_interval(mins => kind.minutes * n), task,
    50, 49, 1, (SELECT array_agg(256 * 10 + key) FROM generate_series(0, 180, 6) AS key)
FROM (VALUES (1, 2880), (60, 840), (1440, 400)) AS kind (minutes, number),
    generate_series(0, kind.number - 1) AS n,
    unnest(ARRAY['', 'echo', 'long_task', 'http_request', 'report.monthly']) AS task
"""
_USAGE: Final = """
INSERT INTO usage_by_task (tenant_id, day, task, tasks, attempts, worker_seconds)
SELECT $1, current_date - n, task, 60000, 61000, 12345
FROM generate_series(0, 399) AS n, unnest(ARRAY['echo', 'long_task', 'http_request', 'report.monthly']) AS task
"""
_ERRORS: Final = """
INSERT INTO task_error (tenant_id, id, task, type, message, occurrences, first_seen, last_seen, last_task_id, hourly,
    hourly_until)
SELECT $1, gen_random_uuid(), 'echo', 'ValueError', 'row ' || n, n, now() - interval '20 days',
    now() - make_interval(mins => n), (SELECT id FROM task WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1),
    array_fill(1, ARRAY[24]), date_trunc('hour', now())
FROM generate_series(1, 1000) AS n
"""
_ENDPOINTS: Final = """
INSERT INTO endpoint (tenant_id, id, url, event_types, after_seq)
SELECT $1, uuidv7(make_interval(mins => -n)), 'https://hooks.example.com/' || n, ARRAY['task.succeeded'], 0
FROM generate_series(1, 20) AS n
"""
_DELIVERIES: Final = """
INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, task_id, event_type, url, body, status, attempt,
    created_at, finished_at, url_key)
SELECT $1, uuidv7(t.created_at - now()), gen_random_uuid(), 1, e.id, t.id, 'task.succeeded', e.url, '{}',
    CASE WHEN t.number % 100 = 0 THEN 'FAILED' ELSE 'DELIVERED' END, 1, t.created_at, t.created_at, e.url
FROM (
    SELECT id, created_at, row_number() OVER () AS number FROM task WHERE tenant_id = $1 ORDER BY id DESC LIMIT $2
) AS t
JOIN (SELECT id, url, row_number() OVER () - 1 AS number FROM endpoint WHERE tenant_id = $1) AS e
    ON e.number = t.number % 20
"""
_WEBHOOK_STATS: Final = """
INSERT INTO webhook_stat (tenant_id, bucket, at, endpoint_id, event_type, status_class, attempts, first_attempts,
    histogram)
SELECT $1, 'hour', date_trunc('hour', now()) - make_interval(hours => n), e.id, 'task.succeeded', '2xx', 100, 99,
    array_fill(1, ARRAY[64])
FROM generate_series(0, 839) AS n, endpoint e WHERE e.tenant_id = $1
"""
_AUDIT: Final = """
INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)
SELECT uuidv7(make_interval(mins => -n)), $1, 'api_key', 'benchmark', 'key.issued', 'a key'
FROM generate_series(1, 20000) AS n
"""
_SESSION: Final = """
INSERT INTO console_session (tenant_id, id, digest, operator, label, role, tenant_version, expires_at)
SELECT $1, gen_random_uuid(), digest, 'benchmark', $3, 'owner', t.token_version, now() + interval '1 hour'
FROM tenant t, unnest($2::bytea[]) AS digest WHERE t.id = $1
"""
_TABLES: Final = (
    "task", "attempt", "result", "stat", "usage_by_task", "task_error", "endpoint", "delivery", "webhook_stat",
    "audit_event",
)  # fmt: skip


def fill(url: str, tenant_id: str, rows: int, days: float = _DAYS) -> None:
    """Give the tenant so many tasks that ended in the last days, and everything else that comes with them."""
    asyncio.run(_fill(url, UUID(tenant_id), rows, days))


async def _fill(url: str, tenant_id: UUID, rows: int, days: float) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.fetch(_MAKE_MONTHS, days)
        # To look up each row's tenant would take as long again.
        await connection.execute("SET session_replication_role = replica")
        for first in range(0, rows, _CHUNK):
            await connection.execute(_TASKS, first, min(first + _CHUNK, rows), rows, tenant_id, days)
            print(f"{min(first + _CHUNK, rows):,} of {rows:,} tasks", file=sys.stderr, flush=True)
        for statement in (_STATS, _USAGE, _ERRORS, _ENDPOINTS, _WEBHOOK_STATS, _AUDIT):
            await connection.execute(statement, tenant_id)
        await connection.execute(_DELIVERIES, tenant_id, rows // 10)
        for table in _TABLES:
            await connection.execute(f"VACUUM ANALYZE {table}")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def sign_in(url: str, tenant_id: str, count: int, name: str = "benchmark") -> list[str]:
    """Begin so many sessions of owners, and return their cookies. One session may ask 25 times in a second."""
    return asyncio.run(_sign_in(url, UUID(tenant_id), count, name))


async def _sign_in(url: str, tenant_id: UUID, count: int, name: str) -> list[str]:
    cookies = [secrets.token_urlsafe(32) for _ in range(count)]
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(
            _SESSION, tenant_id, [hashlib.sha256(cookie.encode()).digest() for cookie in cookies], name
        )
    finally:
        await connection.close()
    return cookies
