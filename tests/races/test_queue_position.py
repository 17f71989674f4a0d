"""A waiting task's position is its place in the order of claims."""

import uuid
from datetime import timedelta

import pytest

from app.tasks.read import queue_position, queue_store
from tests.claims import claim_for
from tests.races.conftest import Yard
from tests.races.test_priority import ORDERS, _wait_as


async def _positions(yard: Yard, tenant_id: uuid.UUID, ids: list[uuid.UUID]) -> list[int | None]:
    api = yard.database("tq_api")
    try:
        async with api.transaction(tenant_id) as connection:
            return [(await queue_position.find(connection, tenant_id, one, "QUEUE_PAUSED")).position for one in ids]
    finally:
        await api.close()


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
async def test_positions_are_the_order_of_claims(yard: Yard, order: list[tuple[int, float]]):
    tenant_id = await yard.tenant()
    ids = await _wait_as(yard, tenant_id, order)
    # Of another tenant, of another pool, and not due: none of them is before these.
    await yard.tasks(await yard.tenant(), 3, priority=9)
    await yard.tasks(tenant_id, 2, priority=9, pool="asyncio")
    [scheduled] = await yard.tasks(tenant_id, 1, priority=9, delay_seconds=600)
    assert await _positions(yard, tenant_id, ids) == list(range(1, len(ids) + 1))
    assert await _positions(yard, tenant_id, [scheduled, uuid.uuid4()]) == [None, None]


async def test_a_position_beyond_a_thousand_is_not_counted(yard: Yard):
    tenant_id = await yard.tenant()
    ids = sorted(await yard.tasks(tenant_id, 1_003))
    await yard.owner.execute("UPDATE backlog SET due_at = '2026-01-01' WHERE tenant_id = $1", tenant_id)
    assert await _positions(yard, tenant_id, [ids[0], ids[999], ids[1_000], ids[-1]]) == [1, 1_000, None, None]


async def test_ends_of_the_last_five_minutes_make_the_estimate(yard: Yard):
    tenant_id = await yard.tenant()
    ids = await yard.tasks(tenant_id, 2)
    await yard.owner.execute(
        "INSERT INTO event (tenant_id, subject, seq, created_at, attempt, type)"
        " SELECT $1, gen_random_uuid(), n, now() - n * interval '10 seconds', 1, 1 FROM generate_series(1, 40) AS n",
        tenant_id,
    )
    await yard.owner.execute("UPDATE event SET seq = 41 - seq WHERE tenant_id = $1", tenant_id)
    api = yard.database("tq_api")
    try:
        async with api.transaction(tenant_id) as connection:
            recent = await queue_store.recent_ends(connection, tenant_id, queue_position.WINDOW)
            places = [await queue_position.find(connection, tenant_id, one, "QUEUED") for one in ids]
    finally:
        await api.close()
    # Those of 10 to 290 s ago; the one of 300 s ago is just outside.
    assert recent["ends"] == 29
    starts = sorted(place.estimated_start_at - recent["now"] for place in places if place.estimated_start_at)
    assert starts == [timedelta(seconds=300 / 29), timedelta(seconds=600 / 29)]
    worker = yard.database("tq_worker")
    try:
        [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
    finally:
        await worker.close()
    assert await _positions(yard, tenant_id, [one for one in ids if one != claim.task_id]) == [1]
