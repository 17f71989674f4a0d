"""A look-up by metadata reads what it finds, and none of another tenant's tasks; a frequent value is read in parts."""

import json
from uuid import UUID

import pytest

from app.core import ids
from app.db import Connection
from app.tasks.read import list_store
from app.tasks.read.task_filter import TaskFilter
from app.tasks.status import Status
from tests.races.conftest import Yard

ROWS = 45_000
_TASKS = """
INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, max_attempts, time_limit_seconds, metadata,
    metadata_labels)
SELECT $1, t.id, 'echo', 'prefork', 'SUCCESS', 4, '{}', now(), 3, 900, t.metadata, metadata_labels($1, t.metadata)
FROM (
    SELECT (substr($2::text, 1, 13) || '7' || lpad(to_hex(n / 65536), 3, '0') || '-8' || lpad(to_hex(n % 4096), 3, '0')
            || '-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
        CASE WHEN n % 1000 = 0 THEN '{"env": "prod", "order": "7"}' ELSE '{"env": "prod"}' END::jsonb AS metadata
    FROM generate_series(1, $3::int) AS n
) AS t
"""


async def _fill(yard: Yard) -> UUID:
    tenant_id = await yard.tenant()
    await yard.owner.execute(_TASKS, tenant_id, str(ids.new_id()), ROWS)
    return tenant_id


async def _blocks(connection: Connection, tenant_id: UUID, metadata: dict[str, str]) -> int:
    """Return how many blocks a look-up reads, once its plan is made: planning reads the catalogue."""
    explained = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) SELECT * FROM tasks_with_label($1, $2, $3, $4, 20001)"
    await connection.fetchval(explained, tenant_id, metadata, ids.FIRST, ids.LAST)
    [root] = json.loads(await connection.fetchval(explained, tenant_id, metadata, ids.FIRST, ids.LAST))
    return int(root["Plan"]["Shared Hit Blocks"] + root["Plan"]["Shared Read Blocks"])


@pytest.mark.parametrize("order", [list_store.NEWEST_FIRST, list_store.OLDEST_FIRST], ids=["newest", "oldest"])
async def test_a_rare_value_is_found_at_once_and_a_frequent_one_in_parts(yard: Yard, order: list_store.Order):
    tenant_id, other = await _fill(yard), await _fill(yard)
    start = ids.FIRST if order.is_ascending else ids.LAST
    api = yard.database("tq_api", 1)
    try:
        async with api.transaction(tenant_id) as connection:
            assert await _blocks(connection, tenant_id, {"order": "7"}) < 200
            assert await _blocks(connection, tenant_id, {"order": "8"}) < 100
            assert await _blocks(connection, other, {"order": "7"}) < 100
            rare = TaskFilter(metadata={"order": "7"})
            rows, read_to = await list_store.page(connection, tenant_id, rare, position=start, limit=100, order=order)
            found = [row["task_id"] for row in rows]
            assert (len(found), read_to) == (ROWS // 1000, None)
            assert found == sorted(found, reverse=not order.is_ascending)
            frequent = TaskFilter(statuses=[Status.FAILURE], metadata={"env": "prod"})
            position, pages = start, 0
            while position is not None:
                rows, position = await list_store.page(
                    connection, tenant_id, frequent, position=position, limit=21, order=order
                )
                assert rows == []
                pages += 1
            assert pages == -(-ROWS // list_store.MAX_ROWS_READ)
    finally:
        await api.close()


async def test_an_end_of_a_task_with_metadata_stays_hot(yard: Yard):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1, metadata='{"order": "1"}')
    async with yard.owner.transaction():
        await yard.owner.execute("UPDATE task SET status = 'SUCCESS', finished_at = now() WHERE id = $1", task_id)
        updates = await yard.owner.fetchrow(
            "SELECT sum(n_tup_upd)::integer, sum(n_tup_hot_upd)::integer FROM pg_stat_xact_user_tables"
            " WHERE relid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'task'::regclass)"
        )
    assert tuple(updates) == (1, 1)
