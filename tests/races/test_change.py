"""A change of a waiting task against claims: the task and its row of the backlog agree, and the counts stay exact."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from app.db import Database
from app.tasks import change_store, store
from app.tasks.change_store import WaitingChange
from tests.claims import claim_for
from tests.races.conftest import Yard

_PLACES = """
SELECT k.id FROM task k JOIN backlog b ON b.tenant_id = k.tenant_id AND b.task_id = k.id
WHERE k.tenant_id = $1 AND (k.priority, k.due_at) IS DISTINCT FROM (b.priority, b.due_at)
"""
_WAITING = "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)"
_COUNTS = """
SELECT a.admitted + s.returned - s.departed AS waiting, s.running,
    (SELECT count(*) FROM backlog b WHERE b.tenant_id = s.tenant_id) AS rows,
    (SELECT count(*) FROM task k WHERE k.tenant_id = s.tenant_id AND k.status = 'STARTED') AS started
FROM tenant_slots s JOIN tenant_admitted a USING (tenant_id) WHERE s.tenant_id = $1
"""


def _to(**changes: Any) -> WaitingChange:
    return WaitingChange(**({"priority": None, "sets_time": False, "scheduled_at": None, "tags": None} | changes))


async def _change(api: Database, tenant_id: UUID, task_id: UUID, change: WaitingChange) -> bool:
    async with api.transaction(tenant_id) as connection:
        return await change_store.change_waiting(connection, tenant_id, task_id, change) is not None


async def test_claims_and_changes_at_once_leave_exact_counts_and_equal_rows(yard: Yard):
    tenant_id = await yard.tenant()
    tasks = await yard.tasks(tenant_id, 60)
    api, worker = yard.database("tq_api"), yard.database("tq_worker")
    later = datetime.now(UTC) + timedelta(hours=1)

    async def move(task_id: UUID, number: int) -> bool:
        change = _to(priority=number % 10, sets_time=number % 2 == 0, scheduled_at=later, tags=[str(number)])
        return await _change(api, tenant_id, task_id, change)

    try:
        claims = [claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=5) for _ in range(8)]
        results = await asyncio.gather(*(move(task_id, number) for number, task_id in enumerate(tasks)), *claims)
    finally:
        await api.close()
        await worker.close()
    claimed = sum(len(found) for found in results[len(tasks) :])
    counts = await yard.owner.fetchrow(_COUNTS, tenant_id)
    assert counts["waiting"] == counts["rows"] == len(tasks) - claimed
    assert counts["running"] == counts["started"] == claimed
    assert await yard.owner.fetch(_PLACES, tenant_id) == []


async def test_a_change_waits_for_a_claim_and_then_finds_the_task_running(yard: Yard):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1)
    api = yard.database("tq_api", 1)
    claimer = await asyncpg.connect(yard.environment["DATABASE_URL"])
    try:
        async with claimer.transaction():
            names = {"pool": "prefork", "worker_id": uuid.uuid4(), "key": uuid.uuid4()}
            assert len(await store.claim_any_tenant(claimer, {tenant_id: 1}, **names)) == 1
            changing = asyncio.create_task(_change(api, tenant_id, task_id, _to(priority=9)))
            await _until_somebody_waits(yard)
        assert await changing is False
    finally:
        await claimer.close()
        await api.close()
    assert await yard.owner.fetchval("SELECT priority FROM task WHERE id = $1", task_id) == 4


async def _until_somebody_waits(yard: Yard) -> None:
    async with asyncio.timeout(20):
        while not await yard.owner.fetchval(_WAITING):  # noqa: ASYNC110 the server's state
            await asyncio.sleep(0.01)


async def test_a_task_that_is_due_keeps_its_place_when_it_is_told_to_start_at_once(yard: Yard):
    tenant_id = await yard.tenant()
    [first, second] = await yard.tasks(tenant_id, 2)
    api = yard.database("tq_api", 1)
    try:
        before = await yard.owner.fetchval("SELECT due_at FROM backlog WHERE task_id = $1", first)
        assert await _change(api, tenant_id, first, _to(sets_time=True))
    finally:
        await api.close()
    assert await yard.owner.fetchval("SELECT due_at FROM backlog WHERE task_id = $1", first) == before
    assert await yard.owner.fetchval("SELECT scheduled_at FROM task WHERE id = $1", first) is None
    assert second
