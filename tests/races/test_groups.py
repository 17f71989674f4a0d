"""Claims and ends of several tenants in one statement: each is judged by itself, and groups that meet do not lock up."""

import asyncio
import itertools
import uuid

import pytest

from app.db import Database
from app.tasks.run.attempts import AttemptEnd, Claim, FinishResult, Outcome
from app.tasks.run.claim import claim_each
from app.tasks.run.end import end as end_attempts
from tests.races.conftest import Yard, finish

_DONE = Outcome("SUCCESS", "SUCCESS", result='{"n":1}')


async def _claim(worker: Database, wanted: dict[uuid.UUID, int]) -> dict[uuid.UUID, list[Claim]]:
    found: dict[uuid.UUID, list[Claim]] = {tenant_id: [] for tenant_id in wanted}
    for claim in await claim_each(worker, wanted, pool="prefork", worker_id=uuid.uuid4()):
        found[claim.tenant_id].append(claim)
    return found


async def test_each_tenant_gets_what_it_asked_for_and_has_and_may(yard: Yard):
    many, few, limited, none = [await yard.tenant(running_limit=limit) for limit in (9, 9, 1, 9)]
    for tenant_id, count in ((many, 5), (few, 1), (limited, 5)):
        await yard.tasks(tenant_id, count)
    worker = yard.database("tq_worker")
    try:
        claims = await _claim(worker, {many: 3, few: 3, limited: 3, none: 3})
    finally:
        await worker.close()
    assert [len(claims[tenant_id]) for tenant_id in (many, few, limited, none)] == [3, 1, 1, 0]
    # More due work, and a slot for it: that of which all is taken has none, nor has the one at its limit.
    assert [claims[tenant_id][-1].has_more for tenant_id in (many, few, limited)] == [True, False, False]
    assert await yard.owner.fetchval("SELECT running FROM tenant_slots WHERE tenant_id = $1", many) == 3


async def test_in_one_group_each_end_is_judged_by_its_own_token(yard: Yard):
    one, other = await yard.tenant(), await yard.tenant()
    await yard.tasks(one, 5)
    await yard.tasks(other, 1)
    worker = yard.database("tq_worker")
    try:
        claims = await _claim(worker, {one: 5, other: 1})
        ended, lost, repeated, *more = claims[one]
        await finish(worker, lost, Outcome("PENDING", "LOST"))
        await finish(worker, repeated, _DONE)
        group = [AttemptEnd(claim, _DONE, seconds=0.5) for claim in (ended, lost, repeated, *more, *claims[other])]
        seen = await end_attempts(worker, group)
    finally:
        await worker.close()
    assert [end and end.status for end in seen] == ["SUCCESS", None, "SUCCESS", "SUCCESS", "SUCCESS", "SUCCESS"]
    rows = await yard.owner.fetch(
        "SELECT tenant_id, sum(attempts) AS attempts, sum(seconds) AS seconds FROM worker_time"
        " WHERE tenant_id = ANY($1) GROUP BY tenant_id",
        [one, other],
    )
    # The one that was repeated is counted once, by the time since its claim. Those that end together are one row.
    assert {row["tenant_id"]: row["attempts"] for row in rows} == {one: 4, other: 1}
    assert next(row["seconds"] for row in rows if row["tenant_id"] == other) == pytest.approx(0.5)
    running = await yard.owner.fetchval("SELECT sum(running) FROM tenant_slots WHERE tenant_id = ANY($1)", [one, other])
    assert running == 0


async def test_a_group_ends_no_attempt_that_was_taken_away_while_the_next_one_runs(yard: Yard):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 2)
    worker = yard.database("tq_worker")
    try:
        sleeper, other = (await _claim(worker, {tenant_id: 2}))[tenant_id]
        await finish(worker, sleeper, Outcome("PENDING", "LOST"))
        [heir] = (await _claim(worker, {tenant_id: 1}))[tenant_id]
        late = await end_attempts(worker, [AttemptEnd(sleeper, _DONE), AttemptEnd(other, _DONE)])
        assert [end and end.status for end in late] == [None, "SUCCESS"]
        assert await yard.owner.fetchval("SELECT status FROM task WHERE id = $1", heir.task_id) == "STARTED"
        await finish(worker, heir, _DONE)
    finally:
        await worker.close()


async def test_groups_in_opposite_orders_never_lock_each_other_out(yard: Yard):
    tenants = [await yard.tenant() for _ in range(6)]
    for tenant_id in tenants:
        await yard.tasks(tenant_id, 24)
    worker = yard.database("tq_worker", 6)
    orders = itertools.cycle((tenants, tenants[::-1]))

    async def run(order: list[uuid.UUID]) -> int:
        done = 0
        while found := await claim_each(worker, dict.fromkeys(order, 2), pool="prefork", worker_id=uuid.uuid4()):
            ends: list[FinishResult | None] = await end_attempts(
                worker, [AttemptEnd(one, _DONE) for one in found[::-1]]
            )
            assert None not in ends
            done += len(ends)
        return done

    try:
        async with asyncio.timeout(60):
            done = await asyncio.gather(*(run(next(orders)) for _ in range(6)))
    finally:
        await worker.close()
    assert sum(done) == 6 * 24


async def test_a_result_that_postgres_refuses_keeps_no_other_end_from_being_written(yard: Yard):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 3)
    worker = yard.database("tq_worker")
    try:
        claims = (await _claim(worker, {tenant_id: 3}))[tenant_id]
        # What outcomes.py never lets pass.
        refused = Outcome("SUCCESS", "SUCCESS", result='{"n":NaN}')
        with pytest.raises(Exception, match="invalid input syntax"):
            await end_attempts(worker, [AttemptEnd(claims[0], refused), AttemptEnd(claims[1], _DONE)])
        assert await finish(worker, claims[1], _DONE) is not None
        assert await finish(worker, claims[2], _DONE) is not None
    finally:
        await worker.close()
    counts = await yard.owner.fetch("SELECT status, count(*) FROM task WHERE tenant_id = $1 GROUP BY 1", tenant_id)
    assert {row["status"]: row["count"] for row in counts} == {"STARTED": 1, "SUCCESS": 2}


async def test_what_was_taken_away_or_given_back_keeps_its_place_in_line(yard: Yard):
    tenant_id = await yard.tenant()
    first, second, _ = [(await yard.tasks(tenant_id, 1))[0] for _ in range(3)]
    worker = yard.database("tq_worker")
    try:
        for outcome in (Outcome("PENDING", "LOST"), Outcome("PENDING", "RETURNED")):
            [claim] = (await _claim(worker, {tenant_id: 1}))[tenant_id]
            assert claim.task_id == first
            await finish(worker, claim, outcome)
        # One that is to wait waits, and the next is first.
        [claim] = (await _claim(worker, {tenant_id: 1}))[tenant_id]
        await finish(worker, claim, Outcome("PENDING", "RETURNED", delay_seconds=60))
        [claim] = (await _claim(worker, {tenant_id: 1}))[tenant_id]
        assert claim.task_id == second
    finally:
        await worker.close()
