"""One key in two processes at once: one task."""

import asyncio

from app.tasks import store, sweep_store
from app.tasks.submit.group_commit import GroupCommit, IdempotencyKeyTaken
from tests.races.conftest import Yard, submission


async def test_of_two_processes_that_store_under_one_key_one_does(yard: Yard):
    tenant_id = await yard.tenant()
    submits = [yard.database("tq_submit", 1) for _ in range(4)]
    reader = yard.database("tq_api", 1)
    processes = [GroupCommit(submit, reader) for submit in submits]
    try:
        for number in range(10):
            outcomes = await asyncio.gather(
                *(each.accept(submission(tenant_id, f"key-{number}")) for each in processes),
                return_exceptions=True,
            )
            [granted] = [outcome for outcome in outcomes if not isinstance(outcome, IdempotencyKeyTaken)]
            assert granted.stored == 1
    finally:
        for database in (*submits, reader):
            await database.close()
    assert await yard.owner.fetchval("SELECT count(*) FROM task WHERE tenant_id = $1", tenant_id) == 10
    assert await yard.owner.fetchval("SELECT day_used FROM tenant_admitted WHERE tenant_id = $1", tenant_id) == 10


async def test_a_key_that_is_taken_anew_while_old_ones_are_pruned_stays(yard: Yard):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1)
    for key in ("left", "taken anew"):
        await yard.owner.execute(
            "INSERT INTO idempotency_key (tenant_id, key, fingerprint, task_id, created_at)"
            " VALUES ($1, $2, '', $3, now() - interval '26 hours')",
            tenant_id, key, task_id,
        )  # fmt: skip
    submit, dispatch = yard.database("tq_submit", 1), yard.database("tq_dispatch", 1)
    again, fence = submission(tenant_id, "taken anew"), await yard.fence()
    try:
        async with dispatch.connection() as pruner:
            pid = await pruner.fetchval("SELECT pg_backend_pid()")
            async with submit.transaction(tenant_id) as connection:
                assert await store.take_keys_any_tenant(connection, [again]) == {again.id}
                pruning = asyncio.create_task(sweep_store.prune_idempotency_keys_any_tenant(pruner, 10, fence))
                await _until_blocked(yard, pid)
            await pruning
    finally:
        await submit.close()
        await dispatch.close()
    keys = await yard.owner.fetch("SELECT key, task_id FROM idempotency_key WHERE tenant_id = $1", tenant_id)
    assert [tuple(row) for row in keys] == [("taken anew", again.id)]


async def _until_blocked(yard: Yard, pid: int) -> None:
    async with asyncio.timeout(10):
        while not await yard.owner.fetchval("SELECT cardinality(pg_blocking_pids($1))", pid):  # noqa: ASYNC110 the server's
            await asyncio.sleep(0.01)
