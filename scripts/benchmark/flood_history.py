"""What a tenant has before its flood begins: rows, written as the owner of the tables."""

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import asyncpg

from scripts.benchmark.accounts import Account
from scripts.benchmark.errors import BenchmarkError
from scripts.stack.stackfile import Stack

TASKS: Final = 2_400_000
"""Nearly as many as a tenant of the plan ``pro`` has in its thirty days."""
SOME_TASKS: Final = 1_000
EVENTS: Final = 200_000
LARGE_TEXT: Final = 250_000
_AT_ONCE: Final = 100_000

# Since the month began: for these ids there are partitions.
_TASKS = """
INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, attempt, max_attempts,
    time_limit_seconds, created_at, started_at, finished_at)
SELECT $1, (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3) || 'b'
        || substr(md5(n::text), 4, 15))::uuid,
    'echo', 'prefork', 'SUCCESS', 4, '{"text": "a payload as many have one"}', at, 1, 3, 900, at, at, at
FROM generate_series($2::int + 1, $3::int) AS n, LATERAL (
    SELECT month + (now() - month) * (n / $4::float8) AS at FROM date_trunc('month', now(), 'UTC') AS month
) AS t
"""
_EVENTS = """
INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)
SELECT (lpad(to_hex((extract(epoch FROM now()) * 1000)::bigint), 12, '0') || '7000b000'
    || lpad(to_hex(n), 12, '0'))::uuid, $1, 'operator', 'benchmark', 'key.issued', 'a key'
FROM generate_series(1, $2::int) AS n
"""
_LARGE = """
INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, max_attempts, time_limit_seconds)
VALUES ($1, $2, 'echo', 'prefork', 'SUCCESS', 4, to_json(repeat('x', $3)), now(), 3, 900)
"""
_RESULT = "INSERT INTO result (tenant_id, task_id, result) VALUES ($1, $2, to_json(repeat('x', $3)))"


def many_tasks(stack: Stack, account: Account) -> None:
    """Give the tenant 2.4 million tasks that have succeeded."""
    asyncio.run(_many_tasks(_owner(stack), UUID(account.tenant_id), TASKS))


def some_tasks(stack: Stack, account: Account) -> None:
    """Give the tenant a thousand tasks that have succeeded."""
    asyncio.run(_many_tasks(_owner(stack), UUID(account.tenant_id), SOME_TASKS))


def many_events(stack: Stack, account: Account) -> None:
    """Give the tenant 200,000 events in its audit log."""
    asyncio.run(_run(_owner(stack), _EVENTS, UUID(account.tenant_id), EVENTS))


def a_large_task(stack: Stack, account: Account) -> None:
    """Give the tenant a task whose payload and result are nearly as large as they may be."""
    for statement in (_LARGE, _RESULT):
        asyncio.run(_run(_owner(stack), statement, UUID(account.tenant_id), large_task_id(account.key), LARGE_TEXT))


def large_task_id(key: str) -> UUID:
    """Return the id of that task of the tenant with this key."""
    month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    digest = hashlib.sha256(key.encode()).digest()
    return UUID(bytes=int(month.timestamp() * 1000).to_bytes(6, "big") + digest[:10], version=4)


def _owner(stack: Stack) -> str:
    if stack.database_url is None:
        raise BenchmarkError("the stack has no database")
    return stack.database_url


async def _many_tasks(owner: str, tenant_id: UUID, count: int) -> None:
    for first in range(0, count, _AT_ONCE):
        await _run(owner, _TASKS, tenant_id, first, min(first + _AT_ONCE, count), count)
    # Else it begins by itself, in the midst of what is measured.
    await _run(owner, "VACUUM (ANALYZE) task")


async def _run(owner: str, statement: str, *values: object) -> None:
    connection = await asyncpg.connect(owner)
    try:
        # Rows of ended tasks have no part in the ledger, and nobody's key is to be checked for each.
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(statement, *values)
    finally:
        await connection.close()
