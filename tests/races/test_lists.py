"""A list that finds nothing reads a bounded number of rows, and goes on where it has stopped."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.audit import store as audit_store
from app.audit.store import AuditFilter
from app.core import ids
from app.tasks.read import list_store
from app.tasks.read.task_filter import TaskFilter
from app.tasks.status import Status
from app.webhooks.history import store as delivery_store
from app.webhooks.history.store import DeliveryFilter
from tests.races.conftest import Yard

ROWS = 12_500
# What is found and where the list goes on are read from the same rows.
BOUND = 2 * list_store.MAX_ROWS_READ

_TASKS = """
INSERT INTO task (tenant_id, id, task, pool, status, priority, payload, due_at, max_attempts, time_limit_seconds)
SELECT $1, (substr($2::text, 1, 13) || '7' || lpad(to_hex(n / 65536), 3, '0') || '-8' || lpad(to_hex(n % 4096), 3, '0')
    || '-' || lpad(to_hex(n), 12, '0'))::uuid,
    'echo', 'prefork', 'SUCCESS', 4, '{}', now(), 3, 900 FROM generate_series(1, $3::int) AS n
"""
_EVENTS = """
INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)
SELECT (substr($2::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, $1, 'operator', 'a', 'key.issued', 'b'
FROM generate_series(1, $3::int) AS n
"""


_DELIVERIES = """
INSERT INTO delivery (tenant_id, id, event_id, endpoint_id, event_type, url, url_key, body, status, finished_at)
SELECT $1, (substr($2::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, $1, $1, 'task.succeeded', 'u', 'u', '{}', 'DELIVERED',
    now() FROM generate_series(1, $3::int) AS n
"""


async def _fill(yard: Yard, statement: str) -> UUID:
    tenant_id = await yard.tenant()
    await yard.owner.execute(statement, tenant_id, str(ids.new_id()), ROWS)
    return tenant_id


def _rows_read(plan: dict[str, Any]) -> float:
    """Return how many rows the scans of a plan have given, and thrown away."""
    mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Relation Name" in plan else 0
    return float(mine * plan["Actual Loops"]) + sum(map(_rows_read, plan.get("Plans", [])))


@pytest.mark.parametrize(
    "wanted",
    [
        TaskFilter(statuses=[Status.FAILURE, Status.REVOKED]),
        TaskFilter(task="other"),
        TaskFilter(tag="rare"),
        TaskFilter(created_to=datetime.now(UTC) - timedelta(hours=1)),
        TaskFilter(created_from=datetime.now(UTC) + timedelta(hours=1)),
        TaskFilter(finished_from=datetime.now(UTC) - timedelta(hours=1)),
        TaskFilter(finished_to=datetime.now(UTC) + timedelta(hours=1)),
    ],
    ids=["status", "task", "tag", "until", "from", "ended from", "ended until"],
)
@pytest.mark.parametrize("order", [list_store.NEWEST_FIRST, list_store.OLDEST_FIRST], ids=["newest", "oldest"])
@pytest.mark.parametrize("mode", ["force_custom_plan", "force_generic_plan"])
async def test_a_filter_that_finds_nothing_reads_five_thousand_tasks(
    yard: Yard, wanted: TaskFilter, order: list_store.Order, mode: str
):
    tenant_id = await _fill(yard, _TASKS)
    api = yard.database("tq_api", 1)
    position, pages = ids.FIRST if order.is_ascending else ids.LAST, 0
    try:
        async with api.transaction(tenant_id) as connection:
            await connection.execute(f"SET LOCAL plan_cache_mode = {mode}")
            while True:
                where = {"position": position, "limit": 21, "order": order}
                statement, values = list_store.query(tenant_id, wanted, **where)
                [root] = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values))
                assert _rows_read(root["Plan"]) <= BOUND + 10
                found, read_to = await list_store.page(connection, tenant_id, wanted, **where)
                assert found == []
                pages += 1
                if read_to is None:
                    break
                position = read_to
    finally:
        await api.close()
    assert pages == 3


async def test_a_filter_that_finds_nothing_reads_five_thousand_events(yard: Yard):
    tenant_id = await _fill(yard, _EVENTS)
    account = yard.database("tq_account", 1)
    before, pages = ids.LAST, 0
    try:
        async with account.transaction(tenant_id) as connection:
            values = tenant_id, ids.FIRST, ids.LAST, 21, "no.such", None, None, None
            explained = "EXPLAIN (ANALYZE, FORMAT JSON) " + audit_store._PAGE
            [root] = json.loads(await connection.fetchval(explained, *values))
            assert _rows_read(root["Plan"]) <= BOUND + 10
            while before is not None:
                wanted = AuditFilter(action="no.such")
                found, before = await audit_store.page(connection, tenant_id, wanted, before=before, limit=21)
                assert found == []
                pages += 1
    finally:
        await account.close()
    assert pages == 3


@pytest.mark.parametrize("is_of_endpoint", [False, True], ids=["all", "endpoint"])
async def test_a_filter_that_finds_nothing_reads_five_thousand_deliveries(yard: Yard, is_of_endpoint: bool):
    tenant_id = await _fill(yard, _DELIVERIES)
    api = yard.database("tq_api", 1)
    before, pages = ids.LAST, 0
    wanted = DeliveryFilter(endpoint_id=tenant_id if is_of_endpoint else None, statuses=["FAILED"])
    try:
        async with api.transaction(tenant_id) as connection:
            while before is not None:
                statement, values = delivery_store.query(tenant_id, wanted, before=before, limit=21)
                [root] = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values))
                assert _rows_read(root["Plan"]) <= BOUND + 10
                found, before = await delivery_store.page(connection, tenant_id, wanted, before=before, limit=21)
                assert found == []
                pages += 1
    finally:
        await api.close()
        await yard.owner.execute("DELETE FROM delivery WHERE tenant_id = $1", tenant_id)
    assert pages == 3
