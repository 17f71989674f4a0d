"""Ends that meet: the token decides, and a terminal status stays."""

import asyncio
import json
import uuid

from app.tasks import store
from app.tasks.run.attempts import AttemptEnd, Claim, FinishResult, Outcome
from app.tasks.run.end import cancel, end_as_leader
from app.tasks.run.end import end as end_attempts
from tests.claims import claim_for
from tests.races.conftest import Yard, finish


def _status(ended: FinishResult | None) -> str | None:
    return ended and ended.status


async def test_who_lost_its_attempt_writes_nothing_while_the_next_one_runs(yard: Yard):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 1)
    worker = yard.database("tq_worker")
    try:
        [sleeper] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        assert _status(await end_as_leader(worker, AttemptEnd(sleeper, Outcome("PENDING", "LOST")), None)) == "PENDING"
        [heir] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        assert await finish(worker, sleeper, Outcome("SUCCESS", "SUCCESS", result='"late"')) is None
        assert _status(await finish(worker, heir, Outcome("SUCCESS", "SUCCESS", result='"heir"'))) == "SUCCESS"
        # Sent again after an unknown commit.
        assert _status(await finish(worker, heir, Outcome("SUCCESS", "SUCCESS", result='"heir"'))) == "SUCCESS"
    finally:
        await worker.close()
    attempts = await yard.owner.fetch("SELECT status FROM attempt WHERE task_id = $1 ORDER BY attempt", heir.task_id)
    assert [attempt["status"] for attempt in attempts] == ["LOST", "SUCCESS"]
    assert await yard.owner.fetchval("SELECT result FROM task WHERE id = $1", heir.task_id) == '"heir"'
    assert await yard.owner.fetchval("SELECT running FROM tenant_slots WHERE tenant_id = $1", tenant_id) == 0


async def test_of_a_finish_a_loss_and_a_cancel_at_once_one_ends_the_attempt(yard: Yard):
    worker, api = yard.database("tq_worker"), yard.database("tq_api")
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 12)
    try:
        for _ in range(12):
            [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
            await asyncio.gather(
                cancel(api, tenant_id, claim.task_id),
                finish(worker, claim, Outcome("SUCCESS", "SUCCESS")),
                end_as_leader(worker, AttemptEnd(claim, Outcome("FAILURE", "LOST")), None),
            )
        rows = await yard.owner.fetch("SELECT status, finished_at FROM task WHERE tenant_id = $1", tenant_id)
    finally:
        await worker.close()
        await api.close()
    assert {row["status"] for row in rows} <= {"SUCCESS", "FAILURE", "REVOKED"}
    assert await yard.owner.fetchval("SELECT running FROM tenant_slots WHERE tenant_id = $1", tenant_id) == 0


async def test_progress_is_the_latest_attempts_and_only_who_holds_it_writes_it(yard: Yard):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1)
    worker = yard.database("tq_worker")

    async def report(claim: Claim, done: int) -> object:
        async with worker.transaction(tenant_id) as connection:
            await store.report_progress(
                connection, tenant_id, task_id, claim_token=claim.claim_token, progress={"done": done}
            )
        return await seen()

    async def seen() -> object:
        stored = await yard.owner.fetchval("SELECT progress FROM task WHERE id = $1", task_id)
        return stored and json.loads(stored)

    try:
        [first] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        assert await report(first, 1) == {"done": 1}
        # FinishResult from outside, by who does not know of it: what was reported stays.
        await end_as_leader(worker, AttemptEnd(first, Outcome("PENDING", "LOST")), None)
        assert await report(first, 2) == {"done": 1}
        [second] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        assert await seen() is None
        assert await report(first, 3) is None
        assert await report(second, 4) == {"done": 4}
        end = AttemptEnd(second, Outcome("SUCCESS", "SUCCESS"), progress={"done": 5, "total": 5, "note": "all"})
        await end_attempts(worker, [end])
        assert await seen() == {"done": 5, "total": 5, "note": "all"}
        assert await report(second, 6) == {"done": 5, "total": 5, "note": "all"}
    finally:
        await worker.close()
