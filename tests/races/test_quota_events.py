"""The event quota.reached: written once in a period, by the submit that crosses 80 or 100 percent of a quota."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.db import Database
from app.events.schemas import QuotaEventData
from app.quotas.schemas import Demand
from app.tasks import store
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end
from app.tasks.submit.group_commit import GroupCommit
from app.tasks.submit.new_tasks import Statement
from app.tenants import plans
from tests.claims import claim_for
from tests.races.conftest import Yard, new_task, wanted

_SUCCESS = Outcome("SUCCESS", "SUCCESS", result="1")


@pytest.fixture
async def submit(yard: Yard) -> AsyncIterator[Database]:
    database = yard.database("tq_submit", 8)
    yield database
    await database.close()


async def _accept(submit: Database, limits: dict[UUID, tuple[int, int]], count: int = 1) -> dict[UUID, int]:
    """Submit so many tasks of each tenant under its quotas of a day and a month, in one group; return the grants."""
    tasks = [new_task(tenant_id) for tenant_id in limits for _ in range(count)]
    demands = {tenant_id: Demand(count, day, month, -1) for tenant_id, (day, month) in limits.items()}
    async with submit.transaction(*limits) as connection:
        grants = await store.accept_any_tenant(connection, demands, tasks)
    return {tenant_id: grant.granted for tenant_id, grant in grants.items()}


async def _used(yard: Yard, tenant_id: UUID, day: int, month: int) -> None:
    """Let the tenant have used so much of today and of this month."""
    await yard.owner.execute(
        "INSERT INTO tenant_admitted (tenant_id, admitted, day, day_used, month, month_used)"
        " SELECT $1, 0, d, $2, date_trunc('month', d)::date, $3 FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS d) AS today"
        " ON CONFLICT (tenant_id) DO UPDATE SET day_used = excluded.day_used, month_used = excluded.month_used",
        tenant_id, day, month,
    )  # fmt: skip


async def _events(yard: Yard, tenant_id: UUID) -> "list[dict[str, Any]]":
    rows = await yard.owner.fetch(
        "SELECT seq, type, subject, data FROM event WHERE tenant_id = $1 ORDER BY seq", tenant_id
    )
    assert [(row["seq"], row["type"], row["subject"]) for row in rows] == [
        (number, 7, tenant_id) for number in range(1, len(rows) + 1)
    ]
    return [QuotaEventData.model_validate_json(row["data"]).model_dump() for row in rows]


async def _lines(yard: Yard, tenant_id: UUID) -> list[tuple[str, int, int, int]]:
    """Return quota, percent, used and limit of the tenant's events."""
    return [(e["quota"], e["percent"], e["used"], e["limit"]) for e in await _events(yard, tenant_id)]


async def test_each_line_is_one_event_however_many_submits_follow(yard: Yard, submit: Database):
    tenant_id = await yard.tenant()
    granted = [(await _accept(submit, {tenant_id: (10, 20)}))[tenant_id] for _ in range(12)]
    # The refused ones write nothing.
    assert granted == [1] * 10 + [0] * 2
    assert await _lines(yard, tenant_id) == [("day", 80, 8, 10), ("day", 100, 10, 10)]


async def test_a_group_writes_every_line_that_it_crosses_for_each_of_its_tenants(yard: Yard, submit: Database):
    one, other, third = sorted([await yard.tenant() for _ in range(3)], reverse=True)
    await _accept(submit, {one: (3, 5), other: (-1, -1), third: (5, 10)}, count=4)
    assert await _lines(yard, one) == [("day", 80, 3, 3), ("day", 100, 3, 3)]
    assert await _lines(yard, other) == []
    assert await _lines(yard, third) == [("day", 80, 4, 5)]
    await _used(yard, one, 0, 3)
    await _accept(submit, {one: (3, 5), third: (5, 10)}, count=4)
    assert (await _lines(yard, one))[2:] == [("month", 80, 5, 5), ("month", 100, 5, 5)]
    assert (await _lines(yard, third))[1:] == [("day", 100, 5, 5)]


@pytest.mark.parametrize("count", [1, 2])
async def test_submits_that_cross_at_once_write_one_event(yard: Yard, submit: Database, count: int):
    tenant_id = await yard.tenant()
    limits = {tenant_id: (20, -1)}
    await asyncio.gather(*(_accept(submit, limits, count) for _ in range(24 // count)))
    found = await _lines(yard, tenant_id)
    assert [line[:2] for line in found] == [("day", 80), ("day", 100)]


async def test_submits_that_cross_never_deadlock_with_claims_and_ends(yard: Yard, submit: Database):
    worker, tenants = yard.database("tq_worker", 4), sorted([await yard.tenant() for _ in range(4)])
    # A long type locks the slots and the pools as well.
    await yard.owner.execute("INSERT INTO long_task_type (task) VALUES ('long') ON CONFLICT DO NOTHING")
    for tenant_id in tenants:
        await yard.tasks(tenant_id, 60)

    async def work(order: list[UUID]) -> None:
        for _ in range(10):
            claims = [await claim_for(worker, t, pool="prefork", worker_id=uuid.uuid4(), limit=3) for t in order]
            await end(worker, [AttemptEnd(claim, _SUCCESS) for some in claims for claim in some])

    async def cross(order: list[UUID], task: str) -> None:
        # A limit just above what is used: each of these crosses both lines.
        for _ in range(10):
            async with submit.transaction(*order) as connection:
                rows = await connection.fetch("SELECT tenant_id, day_used FROM tenant_admitted")
            used = {row["tenant_id"]: row["day_used"] for row in rows}
            demands = {tenant_id: Demand(2, used[tenant_id] + 1, -1, -1) for tenant_id in order}
            tasks = [new_task(tenant_id, task=task) for tenant_id in order for _ in range(2)]
            async with submit.transaction(*order) as connection:
                await store.accept_any_tenant(connection, demands, tasks)

    orders = tenants, tenants[::-1]
    await asyncio.gather(*(work(order) for order in orders), *(cross(o, k) for o in orders for k in ("echo", "long")))
    await worker.close()
    await yard.owner.execute("DELETE FROM long_task_type WHERE task = 'long'")
    written = await yard.owner.fetchval("SELECT count(*) FROM event WHERE type = 7 AND tenant_id = ANY($1)", tenants)
    assert written > len(tenants)


@pytest.mark.parametrize("count", [1, 2])
async def test_the_next_period_tells_again(yard: Yard, submit: Database, count: int):
    tenant_id = await yard.tenant()
    for days in (1, 40):
        await _accept(submit, {tenant_id: (2, 4)}, count)
        if count == 1:
            await _accept(submit, {tenant_id: (2, 4)})
        # As it is when the period has ended.
        await yard.owner.execute(
            "UPDATE tenant_admitted SET day = day - $2::integer, month = (month - $2::integer - 1)::date WHERE tenant_id = $1"
            if days > 1 else "UPDATE tenant_admitted SET day = day - $2::integer WHERE tenant_id = $1",
            tenant_id, days,
        )  # fmt: skip
    found = [line[:2] for line in await _lines(yard, tenant_id)]
    assert found == [("day", 80), ("day", 100), ("day", 80), ("day", 100), ("month", 80), ("month", 100)]
    await _accept(submit, {tenant_id: (2, 4)}, 2)
    assert [line[:2] for line in await _lines(yard, tenant_id)][6:] == [("day", 80), ("day", 100)]


async def test_it_says_when_the_period_ends(yard: Yard, submit: Database):
    tenant_id = await yard.tenant()
    before = datetime.now(UTC)
    await _accept(submit, {tenant_id: (1, 1)})
    after = datetime.now(UTC)
    ends = {event["quota"]: event["resets_at"] for event in await _events(yard, tenant_id)}

    def midnight(now: datetime) -> datetime:
        return now.replace(hour=0, minute=0, second=0, microsecond=0)

    def month_end(now: datetime) -> datetime:
        return midnight((now.replace(day=1) + timedelta(days=32)).replace(day=1))

    assert ends["day"] in {midnight(now) + timedelta(days=1) for now in (before, after)}
    assert ends["month"] in {month_end(now) for now in (before, after)}


async def test_what_is_rolled_back_has_no_event(yard: Yard, submit: Database):
    tenant_id, reader = await yard.tenant(), yard.database("tq_api", 1)
    limits = plans.effective("free", {"tasks_per_day": 3})
    group = GroupCommit(submit, reader)
    # A submit with a statement of its own is stored whole or not at all: here, not.
    tasks = [new_task(tenant_id) for _ in range(4)]
    granted = await group.accept(wanted(tenant_id, limits, tasks, also=[Statement("SELECT 1", ())]))
    await reader.close()
    assert (granted.stored, granted.grant.refused_by) == (0, "day")
    assert await _lines(yard, tenant_id) == []
    # Nor does it keep the next one from telling.
    await _accept(submit, {tenant_id: (3, -1)}, 3)
    assert await _lines(yard, tenant_id) == [("day", 80, 3, 3), ("day", 100, 3, 3)]


@pytest.mark.parametrize(("features", "webhook"), [(0, None), (1, False), (2, True), (3, True)])
async def test_only_a_tenant_that_reads_events_or_has_endpoints_is_told(
    yard: Yard, submit: Database, features: int, webhook: bool | None
):
    tenant_id = await yard.tenant()
    await yard.owner.execute("UPDATE tenant_slots SET features = $2 WHERE tenant_id = $1", tenant_id, features)
    await _accept(submit, {tenant_id: (1, -1)})
    rows = await yard.owner.fetch("SELECT webhook_seq FROM event WHERE tenant_id = $1", tenant_id)
    assert [row["webhook_seq"] is not None for row in rows] == ([] if webhook is None else [webhook] * 2)


async def test_a_submit_cannot_write_it_for_another_tenant(yard: Yard, submit: Database):
    tenant_id, other = await yard.tenant(), await yard.tenant()
    call = "SELECT quotas_reached($1, 1, 1, 1, 1, 1)"
    async with submit.transaction(tenant_id) as connection:
        assert await connection.fetchval(call, other) == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("SELECT event_append($1, 8::smallint, $2, '{}')", tenant_id, uuid.uuid4())
    assert await _lines(yard, other) == []


async def test_which_numbers_cross_a_line(yard: Yard):
    crossed = "SELECT quota_crossed(1, used, $1) FROM generate_series(1, 12) AS used"

    async def at(limit: int | None) -> list[int]:
        return [used for used, row in enumerate(await yard.owner.fetch(crossed, limit), 1) if row[0]]

    assert {limit: await at(limit) for limit in (1, 2, 3, 4, 5, 9, 10)} == {
        1: [1], 2: [2], 3: [3], 4: [4], 5: [4, 5], 9: [8, 9], 10: [8, 10],
    }  # fmt: skip
    assert [await at(limit) for limit in (0, -1, None)] == [[], [], []]
    # Nothing granted crosses nothing.
    assert await yard.owner.fetchval("SELECT quota_crossed(0, 10, 10)") is False
