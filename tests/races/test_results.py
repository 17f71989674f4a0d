"""A small result is in the row of its task, a large one has a row of its own, and whoever reads sees no difference."""

import uuid
from datetime import timedelta

import pytest

from app.tasks.read import store as read_store
from app.tasks.run import outcomes
from app.tasks.run.attempts import AttemptEnd, Claim, Outcome
from app.tasks.run.end import end as end_attempts
from app.webhooks import store as webhook_store
from tests.claims import claim_for
from tests.races.conftest import Yard

_URL = "https://a.example.com/"
# The text of the result, and whether it has a row of its own.
RESULTS = {
    "nothing": (None, False),
    "small": ('{"n": 1e22}', False),
    "just small": (f'"{"a" * (outcomes.SMALL_RESULT - 2)}"', False),
    # Bytes are counted, not characters.
    "just large": (f'"{"ä" * (outcomes.SMALL_RESULT // 2 - 1)}a"', True),
    "large": (f'"{"a" * 20_000}"', True),
}


async def _claims(yard: Yard, count: int) -> list[Claim]:
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, count, webhook_url=_URL)
    worker = yard.database("tq_worker", 1)
    try:
        return await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=count)
    finally:
        await worker.close()


async def _end(yard: Yard, claims: list[Claim], result: str | None) -> None:
    worker = yard.database("tq_worker", 1)
    try:
        await end_attempts(worker, [AttemptEnd(claim, Outcome("SUCCESS", "SUCCESS", result)) for claim in claims])
    finally:
        await worker.close()


async def _read(yard: Yard, claim: Claim) -> str:
    api = yard.database("tq_api", 1)
    try:
        async with api.statement() as connection:
            [row] = await read_store.results_any_tenant(connection, [(claim.tenant_id, claim.task_id)])
        async with api.transaction(claim.tenant_id) as connection:
            # For one task with all its details.
            assert await read_store.result(connection, claim.tenant_id, claim.task_id) == row["result"]
    finally:
        await api.close()
    return str(row["result"])


async def _delivered(yard: Yard, claim: Claim) -> str:
    webhook = yard.database("tq_webhook", 1)
    try:
        async with webhook.connection() as connection:
            await webhook_store.fan_out_any_tenant(connection, [claim.tenant_id], 9)
    finally:
        await webhook.close()
    return str(await yard.owner.fetchval("SELECT body FROM delivery WHERE task_id = $1", claim.task_id))


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("case", RESULTS)
async def test_a_result_is_read_and_sent_wherever_it_is_stored(yard: Yard, case: str, count: int):
    result, has_own_row = RESULTS[case]
    claims = await _claims(yard, count)
    await _end(yard, claims, result)
    for claim in claims:
        in_task = await yard.owner.fetchval("SELECT result IS NOT NULL FROM task WHERE id = $1", claim.task_id)
        own_rows = await yard.owner.fetchval("SELECT count(*) FROM result WHERE task_id = $1", claim.task_id)
        assert (in_task, own_rows) == (not has_own_row, int(has_own_row))
        assert await _read(yard, claim) == (result or "null")
        assert f'"result":{result or "null"},"attempt_count"' in await _delivered(yard, claim)


async def test_a_pruned_task_leaves_no_result(yard: Yard):
    claims = await _claims(yard, 1)
    await _end(yard, claims, RESULTS["large"][0])
    [claim] = claims
    await _delivered(yard, claim)
    # As if it had been submitted and had ended long ago: rows of today are never old enough.
    old = uuid.UUID(int=claim.task_id.int - (round(timedelta(days=800).total_seconds() * 1000) << 80))
    await yard.owner.execute("ALTER TABLE task DISABLE TRIGGER task_terminal")
    try:
        await yard.owner.execute(
            "UPDATE task SET id = $2, finished_at = now() - interval '800 days' WHERE id = $1", claim.task_id, old
        )
    finally:
        await yard.owner.execute("ALTER TABLE task ENABLE TRIGGER task_terminal")
    await yard.owner.execute("UPDATE result SET task_id = $2 WHERE task_id = $1", claim.task_id, old)
    assert await yard.owner.fetchval("SELECT prune_tasks($1, now(), 9)", claim.tenant_id) == 1
    assert await yard.owner.fetchval("SELECT count(*) FROM result WHERE tenant_id = $1", claim.tenant_id) == 0
