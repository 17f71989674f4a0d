"""One key in two processes at once: one task."""

import asyncio

from app.tasks.intake import IdempotencyKeyTaken, Intake
from tests.races.conftest import Yard, submission


async def test_of_two_processes_that_store_under_one_key_one_does(yard: Yard):
    tenant_id = await yard.tenant()
    submits = [yard.database("tq_submit", 1) for _ in range(4)]
    reader = yard.database("tq_api", 1)
    intakes = [Intake(submit, reader) for submit in submits]
    try:
        for number in range(10):
            outcomes = await asyncio.gather(
                *(intake.accept(submission(tenant_id, f"key-{number}")) for intake in intakes),
                return_exceptions=True,
            )
            [granted] = [outcome for outcome in outcomes if not isinstance(outcome, IdempotencyKeyTaken)]
            assert granted.granted == 1
    finally:
        for database in (*submits, reader):
            await database.close()
    assert await yard.owner.fetchval("SELECT count(*) FROM task WHERE tenant_id = $1", tenant_id) == 10
    assert await yard.owner.fetchval("SELECT used FROM usage WHERE tenant_id = $1 AND period = 'day'", tenant_id) == 10
