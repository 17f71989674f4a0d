"""With 10,000 tenants a page of the operator's lists reads the rows that it shows, and its pages together are the list."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from app.admin import list_store
from app.broker.ring import RINGS
from app.core import ids
from app.webhooks.endpoints import operator_store
from app.webhooks.endpoints.operator_store import EndpointPlace, TenantSpan
from tests.races.conftest import Yard

TENANTS, PAGE, NAME = 10_000, 50, "customer 10000"

_FILL = """
WITH made AS (
    INSERT INTO tenant (id, slug, name, plan, queue_paused)
    SELECT gen_random_uuid(), 'many-' || lpad(n::text, 5, '0'), 'Customer ' || n, 'pro', n % 2500 = 0
    FROM generate_series(1, $1::int) AS n RETURNING id
), slots AS (
    INSERT INTO tenant_slots (tenant_id, running_limit) SELECT id, 20 FROM made RETURNING tenant_id
)
INSERT INTO endpoint (tenant_id, id, url, event_types, after_seq, failing_since)
SELECT id, gen_random_uuid(), 'https://example.com/', '{}', 0, CASE WHEN substr(id::text, 1, 2) = '00' THEN now() END
FROM made
"""
_WAITING = """
INSERT INTO backlog (tenant_id, task_id, pool, priority, due_at, is_scheduled)
VALUES ($1, $2, 'prefork', 4, now(), false)
"""
_RUNNING = """
WITH made AS (
    INSERT INTO worker (id, hostname, pool, slots, task_types) VALUES ($3, 'h', 'prefork', 1, '{}') RETURNING id
)
INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at)
SELECT $1, $2, 1, id, id, now() + interval '1 hour' FROM made
"""


@pytest.fixture
async def many(yard: Yard) -> AsyncIterator[Any]:
    """Return a connection of the owner that sees 10,000 tenants more, which are never committed."""
    transaction = yard.owner.transaction()
    await transaction.start()
    await yard.owner.execute(_FILL, TENANTS)
    await yard.owner.execute("ANALYZE tenant")
    # As for tq_admin, the role that reads the lists (app/admin/roles.py).
    await yard.owner.execute("SET LOCAL enable_seqscan = off")
    yield yard.owner
    await transaction.rollback()


def _rows_read(plan: dict[str, Any]) -> float:
    mine = plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0) if "Relation Name" in plan else 0
    return float(mine * plan["Actual Loops"]) + sum(map(_rows_read, plan.get("Plans", [])))


async def _reads(connection: Any, statement: str, *values: Any) -> float:
    [[text]] = await connection.fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    plan = json.loads(text) if isinstance(text, str) else text
    return _rows_read(plan[0]["Plan"])


async def test_tenants_are_paged_by_slug(many: Any):
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await list_store.tenants_any_tenant(many, after=after, search="", status="", limit=997)
        seen += [row["slug"] for row in page.rows]
        after = page.next_after
    assert len(seen) == await many.fetchval("SELECT count(*) FROM tenant WHERE status <> 'deleted'") >= TENANTS
    assert len(set(seen)) == len(seen)
    assert await _reads(many, list_store._PAGE, "many-05000", "", "", PAGE + 1) <= 3 * (PAGE + 1)


async def test_a_search_finds_the_last_tenant_and_reads_a_bounded_number(many: Any):
    found: list[str] = []
    after: str | None = ""
    while after is not None:
        page = await list_store.tenants_any_tenant(many, after=after, search=NAME, status="active", limit=PAGE)
        found += [row["slug"] for row in page.rows]
        after = page.next_after
    assert found == ["many-10000"]
    assert await _reads(many, list_store._PAGE, "", NAME, "", PAGE) <= list_store.MAX_READ + 3 * PAGE


async def test_queues_in_use_are_found_without_reading_idle_tenants(many: Any):
    waits, runs, idle = [
        await many.fetchval("SELECT id FROM tenant WHERE slug = $1", f"many-0000{number}") for number in (3, 4, 5)
    ]
    for _ in range(3):
        await many.execute(_WAITING, waits, ids.new_id())
    await many.execute(_RUNNING, runs, ids.new_id(), uuid.uuid4())
    found = {row["tenant_id"]: row for row in await list_store.in_use_any_tenant(many)}
    assert {waits, runs} <= found.keys() and idle not in found
    assert {"many-02500", "many-10000"} <= {row["slug"] for row in found.values()}, "those that are paused"
    assert await _reads(many, list_store._IN_USE, list(RINGS), list_store.MAX_IN_USE + 1) <= 10 * (len(found) + 10)


async def test_endpoints_are_paged_by_tenant_and_id(many: Any):
    for is_unwell in (True, False):
        place, seen = EndpointPlace(ids.FIRST, ids.FIRST), list[UUID]()
        while rows := await operator_store.page_any_tenant(many, place, TenantSpan(), is_unwell=is_unwell, limit=499):
            seen += [row["endpoint_id"] for row in rows]
            place = TenantSpan().place(str(EndpointPlace(rows[-1]["tenant_id"], rows[-1]["endpoint_id"])))
        unwell, total = await operator_store.count_any_tenant(many, TenantSpan())
        counted = unwell if is_unwell else await many.fetchval("SELECT count(*) FROM endpoint")
        assert len(set(seen)) == len(seen) == counted
        assert total == min(counted, operator_store.MAX_COUNTED + 1) or is_unwell
        statement = operator_store._PAGE_UNWELL if is_unwell else operator_store._PAGE
        assert await _reads(many, statement, ids.FIRST, ids.FIRST, ids.LAST, 20) <= 40


async def test_the_sums_are_those_of_all_tenants(many: Any):
    before = await list_store.totals_any_tenant(many, 8, 20)
    await many.execute(
        "UPDATE tenant_slots SET running = 70000, returned = 5"
        " WHERE tenant_id = (SELECT id FROM tenant WHERE slug = 'many-00007')"
    )
    after = await list_store.totals_any_tenant(many, 8, 20)
    assert (after["running"] - before["running"], after["waiting"] - before["waiting"]) == (70_000, 5)
    assert after["tenants"] >= TENANTS and after["paused"] >= 4
    rows = {row["tenant_id"]: row for row in await list_store.named_any_tenant(many, after["busiest"])}
    assert [row["running"] for row in rows.values() if row["slug"] == "many-00007"] == [70_000]
