"""The order in which a tenant's tasks are claimed: the most urgent first, and a minute of waiting weighs as one step."""

import uuid

import pytest

from tests.claims import claim_for
from tests.races.conftest import Yard

# (priority, minutes of waiting) of each task, in the order in which they are to be claimed.
ORDERS = {
    "a higher priority is claimed first": [(9, 0), (8, 0), (5, 0), (4, 0), (1, 0), (0, 0)],
    "of one priority the oldest is claimed first": [(4, 3), (4, 2), (4, 1), (4, 0)],
    "a step of priority outweighs less than a minute": [(5, 0), (4, 0.9)],
    "a minute and more outweighs a step of priority": [(4, 1.1), (5, 0)],
    "the least urgent of ten minutes goes before the most urgent of none": [(0, 10), (9, 0), (0, 8)],
    "priority and age are added": [(9, 2), (0, 10.5), (5, 5), (9, 0), (0, 8)],
}


async def _wait_as(yard: Yard, tenant_id: uuid.UUID, order: list[tuple[int, float]]) -> list[uuid.UUID]:
    """Let tasks wait that were submitted in the opposite order; return their ids as they are to be claimed."""
    ids: list[uuid.UUID] = []
    # One moment for all of them: tasks of the same age differ in nothing but their priority.
    now = await yard.owner.fetchval("SELECT now()")
    for priority, minutes in reversed(order):
        [task_id] = await yard.tasks(tenant_id, 1, priority=priority)
        await yard.owner.execute(
            "UPDATE backlog SET due_at = $2::timestamptz - make_interval(secs => $3::double precision * 60) WHERE task_id = $1",
            task_id, now, float(minutes),
        )  # fmt: skip
        ids.insert(0, task_id)
    return ids


@pytest.mark.parametrize("limit", [1, 100], ids=["one by one", "all at once"])
@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
async def test_tasks_are_claimed_by_priority_and_age(yard: Yard, order: list[tuple[int, float]], limit: int):
    tenant_id = await yard.tenant()
    ids = await _wait_as(yard, tenant_id, order)
    worker = yard.database("tq_worker")
    claimed: list[uuid.UUID] = []
    try:
        while claims := await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=limit):
            claimed += [claim.task_id for claim in claims]
    finally:
        await worker.close()
    assert claimed == ids


async def test_what_a_limit_leaves_for_later_is_the_least_urgent(yard: Yard):
    tenant_id = await yard.tenant(running_limit=2)
    ids = await _wait_as(yard, tenant_id, [(0, 20), (9, 5), (9, 0), (5, 0), (0, 0)])
    worker = yard.database("tq_worker")
    try:
        claims = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=5)
    finally:
        await worker.close()
    assert [claim.task_id for claim in claims] == ids[:2]
