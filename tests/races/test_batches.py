"""A batch is stored whole or not at all, whatever becomes of its commit."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from app.core.errors import Unavailable
from app.db import Database
from app.tasks.submit.group_commit import FairQueue, GroupCommit
from app.tasks.submit.new_tasks import Submission
from app.tenants import plans
from tests.conftest import role_url
from tests.faults.proxy import Proxy, Weather
from tests.races.conftest import Yard, new_task, submission, wanted

_LIMITS = plans.effective("free", {"tasks_per_day": 7})


@asynccontextmanager
async def _group_commit(yard: Yard) -> AsyncIterator[tuple[GroupCommit, Proxy]]:
    """Yield a group commit, and the line on which it writes."""
    url = urlsplit(role_url(yard.environment, "tq_submit"))
    wire = Proxy(url.port or 0)
    through = url._replace(netloc=f"{url.netloc.rpartition(':')[0]}:{wire.port}").geturl()
    submit, reader = Database("tq_submit", size=1, url=through), yard.database("tq_api", 1)
    try:
        yield GroupCommit(submit, reader), wire
    finally:
        await submit.close()
        await reader.close()
        wire.close()


async def _stored(yard: Yard, tenant_id: UUID) -> list[UUID]:
    rows = await yard.owner.fetch("SELECT id FROM task WHERE tenant_id = $1 ORDER BY id", tenant_id)
    return [row["id"] for row in rows]


@pytest.mark.parametrize("key", [None, "key"])
async def test_a_batch_whose_commit_is_not_answered_is_read_back(yard: Yard, key: str | None):
    tenant_id = await yard.tenant()
    tasks = [new_task(tenant_id) for _ in range(10)]
    async with _group_commit(yard) as (group_commit, wire):
        # By the last id: without a key the statement is the transaction.
        wire.weather = Weather(cut_at=tasks[-1].id.bytes if key is None else b"COMMIT")
        granted = await group_commit.accept(wanted(tenant_id, _LIMITS, tasks, key))
    assert wire.cuts == 1
    # The answer was lost with the line: the ledger says it once more.
    grant = granted.grant
    assert (granted.stored, grant.refused_by, grant.day_used, grant.month_used, grant.waiting) == (7, "day", 7, 7, 7)
    assert 0 < grant.day_ends_in <= 86_400
    assert grant.day_ends_in <= grant.month_ends_in
    assert await _stored(yard, tenant_id) == [task.id for task in tasks[:7]]


async def test_a_batch_whose_connection_ends_before_its_commit_is_not_stored(yard: Yard):
    tenant_id = await yard.tenant()
    async with _group_commit(yard) as (group_commit, wire):
        wire.weather = Weather(cut_at=b"tasks_accept")
        with pytest.raises(Unavailable):
            await group_commit.accept(submission(tenant_id, "key", 10))
        wire.clear()
        assert await _stored(yard, tenant_id) == []
        # Its key is free.
        again = await group_commit.accept(submission(tenant_id, "key", 10))
    assert again.stored == 10
    assert len(await _stored(yard, tenant_id)) == 10


async def test_batches_that_meet_in_a_group_are_granted_oldest_first(yard: Yard):
    tenant_id = await yard.tenant()
    asked = [wanted(tenant_id, _LIMITS, [new_task(tenant_id) for _ in range(3)]) for _ in range(4)]
    async with _group_commit(yard) as (group_commit, _):
        outcomes = await asyncio.gather(*map(group_commit.accept, asked), return_exceptions=True)
    assert [getattr(outcome, "stored", 0) for outcome in outcomes] == [3, 3, 1, 0]
    assert await _stored(yard, tenant_id) == [task.id for each in asked for task in each.specs.tasks][:7]


async def test_a_group_of_several_tenants_is_dealt_to_each_by_its_own_limit(yard: Yard):
    few, many = await yard.tenant(), await yard.tenant()
    limits = {few: plans.effective("free", {"tasks_per_day": 3}), many: _LIMITS}
    asked = [wanted(each, limits[each], [new_task(each) for _ in range(2)]) for each in (few, many) * 3]
    async with _group_commit(yard) as (group_commit, _):
        outcomes = await asyncio.gather(*map(group_commit.accept, asked), return_exceptions=True)
    assert [getattr(outcome, "stored", 0) for outcome in outcomes] == [2, 2, 1, 2, 0, 2]
    for tenant_id, count in ((few, 3), (many, 6)):
        tasks = [task.id for each in asked if each.specs.tenant_id == tenant_id for task in each.specs.tasks]
        assert await _stored(yard, tenant_id) == tasks[:count]


async def test_tasks_that_meet_in_a_group_keep_what_each_of_them_says(yard: Yard):
    tenant_id = await yard.tenant()
    plain, tagged = new_task(tenant_id), new_task(tenant_id, tags='["a", "b"]', priority=9, payload='{"b": 2}')
    later = new_task(tenant_id, delay_seconds=60.0, webhook_url="https://a.example.com/", pool="asyncio")
    async with _group_commit(yard) as (group_commit, _):
        group = [wanted(tenant_id, _LIMITS, [task]) for task in (plain, tagged, later)]
        await asyncio.gather(*map(group_commit.accept, group))
    rows = await yard.owner.fetch(
        "SELECT k.tags, k.priority, k.payload, k.pool, k.webhook_url, k.scheduled_at IS NOT NULL AS is_later,"
        " b.pool AS line, b.is_scheduled FROM task k JOIN backlog b ON b.task_id = k.id"
        " WHERE k.tenant_id = $1 ORDER BY k.id",
        tenant_id,
    )
    assert [tuple(row) for row in rows] == [
        ([], 4, "1", "prefork", None, False, "prefork", False),
        (["a", "b"], 9, '{"b": 2}', "prefork", None, False, "prefork", False),
        ([], 4, "1", "asyncio", "https://a.example.com/", True, "asyncio", True),
    ]


async def test_nobody_waits_for_the_batch_of_another_tenant(yard: Yard):
    noisy, light = await yard.tenant(), await yard.tenant()
    submit, reader = yard.database("tq_submit", 2), yard.database("tq_api", 1)
    group_commit, limits = GroupCommit(submit, reader), plans.PLANS["enterprise"]
    many = wanted(noisy, limits, [new_task(noisy) for _ in range(1_000)])
    try:
        await group_commit.accept(submission(noisy, None, 1))
        async with yard.owner.transaction():
            # As if its batch took long.
            await yard.owner.execute("SELECT FROM tenant_admitted WHERE tenant_id = $1 FOR UPDATE", noisy)
            batch = asyncio.create_task(group_commit.accept(many))
            behind = asyncio.create_task(group_commit.accept(submission(noisy, None, 1)))
            await asyncio.sleep(0)
            assert (await group_commit.accept(submission(light, None, 1))).stored == 1
            assert not batch.done()
            assert not behind.done()
        assert ((await batch).stored, (await behind).stored) == (1_000, 1)
    finally:
        await group_commit.close()
        await submit.close()
        await reader.close()


def _asked(tenant_id: UUID, rows: int) -> Submission:
    return wanted(tenant_id, _LIMITS, [new_task(tenant_id) for _ in range(rows)])


async def test_tenants_are_taken_in_turn_until_a_group_is_full():
    waiting, noisy, light = FairQueue(), uuid4(), uuid4()
    for tenant_id, rows in [(noisy, 100)] * 6 + [(light, 1)] * 3:
        waiting.add((_asked(tenant_id, rows), asyncio.get_running_loop().create_future()))
    first = [(each.specs.tenant_id, len(each.specs.tasks)) for each, _ in waiting.take()]
    assert first == [
        (noisy, 100),
        (light, 1),
        (noisy, 100),
        (light, 1),
        (noisy, 100),
        (light, 1),
        (noisy, 100),
        (noisy, 100),
    ]
    waiting.add((_asked(light, 1), asyncio.get_running_loop().create_future()))
    waiting.locked = {noisy}
    assert [each.specs.tenant_id for each, _ in waiting.take()] == [light]
    waiting.locked = ()
    assert [each.specs.tenant_id for each, _ in waiting.take()] == [noisy]
    assert waiting.is_empty
