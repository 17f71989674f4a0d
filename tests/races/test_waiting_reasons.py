"""The reason that no caller reads while it holds: a suspended tenant's calls are refused, its tasks wait."""

import uuid
from uuid import UUID

import pytest

from app.tasks.read import store
from tests.claims import claim_for
from tests.races.conftest import Yard


async def _reason(yard: Yard, tenant_id: UUID, task_id: UUID) -> str | None:
    api = yard.database("tq_api", 1)
    try:
        async with api.transaction(tenant_id) as connection:
            [row] = await store.statuses_any_tenant(connection, [(tenant_id, task_id)])
    finally:
        await api.close()
    reason: str | None = row["waiting_reason"]
    return reason


@pytest.mark.parametrize(
    ("facts", "paused", "reason"),
    [
        ({}, False, "NO_WORKER"),
        ({"delay_seconds": 600.0}, False, "SCHEDULED"),
        ({"delay_seconds": 600.0}, True, "QUEUE_PAUSED"),
    ],
    ids=["due", "scheduled", "paused"],
)
async def test_tasks_of_a_suspended_tenant_wait_for_its_return(
    yard: Yard,
    facts: dict[str, float],
    paused: bool,
    reason: str,
):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1, task=f"of-nobody-{uuid.uuid4().hex}", **facts)
    await yard.owner.execute("UPDATE tenant SET queue_paused = $2 WHERE id = $1", tenant_id, paused)
    assert await _reason(yard, tenant_id, task_id) == reason
    await yard.owner.execute("UPDATE tenant SET status = 'suspended' WHERE id = $1", tenant_id)
    assert await _reason(yard, tenant_id, task_id) == "SUSPENDED"
    worker = yard.database("tq_worker", 1)
    try:
        assert await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4()) == []
    finally:
        await worker.close()
    await yard.owner.execute("UPDATE tenant SET status = 'active' WHERE id = $1", tenant_id)
    assert await _reason(yard, tenant_id, task_id) == reason
