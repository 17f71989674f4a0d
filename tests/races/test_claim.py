"""Claims that meet: nothing is started twice, none waits for another transaction, and no tenant exceeds its limit."""

import asyncio
import uuid

from app.tasks.run.attempts import Outcome
from tests.claims import claim_for
from tests.races.conftest import Yard, finish


async def test_many_claims_at_once_start_each_task_once_and_no_more_than_the_limit(yard: Yard):
    tenant_id = await yard.tenant(running_limit=3)
    await yard.tasks(tenant_id, 10)
    worker = yard.database("tq_worker", 12)
    try:
        for expected in (3, 3, 3, 1):
            claims = [
                claim
                for taken in await asyncio.gather(
                    *(claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4()) for _ in range(12))
                )
                for claim in taken
            ]
            assert len(claims) == len({claim.task_id for claim in claims}) == expected
            await asyncio.gather(*(finish(worker, claim, Outcome("SUCCESS", "SUCCESS")) for claim in claims))
        assert await yard.owner.fetchval("SELECT running FROM tenant_slots WHERE tenant_id = $1", tenant_id) == 0
    finally:
        await worker.close()


async def test_one_claim_takes_no_more_than_the_limit_leaves(yard: Yard):
    tenant_id = await yard.tenant(running_limit=2)
    await yard.tasks(tenant_id, 5)
    worker = yard.database("tq_worker")
    try:
        claims = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=5)
    finally:
        await worker.close()
    assert len(claims) == 2


async def test_a_claim_waits_for_no_cancel_that_is_under_way(yard: Yard):
    tenant_id = await yard.tenant()
    first, second = await yard.tasks(tenant_id, 2)
    worker = yard.database("tq_worker")
    try:
        async with yard.owner.transaction():
            # As by a transaction that holds a waiting task and has not committed.
            await yard.owner.execute("DELETE FROM backlog WHERE task_id = $1", first)
            async with asyncio.timeout(5):
                claims = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
            assert [claim.task_id for claim in claims] == [second]
    finally:
        await worker.close()


async def test_a_claim_of_the_only_task_waits_for_no_cancel_that_is_under_way(yard: Yard):
    tenant_id = await yard.tenant()
    [only] = await yard.tasks(tenant_id, 1)
    worker = yard.database("tq_worker")
    try:
        async with yard.owner.transaction():
            await yard.owner.execute("DELETE FROM backlog WHERE task_id = $1", only)
            async with asyncio.timeout(5):
                assert await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4()) == []
    finally:
        await worker.close()


async def test_the_only_task_is_started_once_by_many_claims_at_once(yard: Yard):
    tenant_id = await yard.tenant(running_limit=1)
    worker = yard.database("tq_worker", 12)
    try:
        for _ in range(5):
            await yard.tasks(tenant_id, 1)
            found = await asyncio.gather(
                *(claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=4) for _ in range(12))
            )
            [claim] = [claim for claims in found for claim in claims]
            await finish(worker, claim, Outcome("SUCCESS", "SUCCESS"))
        running = "SELECT running, departed FROM tenant_slots WHERE tenant_id = $1"
        assert tuple(await yard.owner.fetchrow(running, tenant_id) or ()) == (0, 5)
    finally:
        await worker.close()
