"""Submits of many processes that count the same tenants: none locks another out, and the ledger is exact."""

import asyncio
import uuid
from uuid import UUID

import asyncpg

from tests.conftest import role_url
from tests.races.conftest import Yard

_ROUNDS = 40
_RESERVE = "SELECT * FROM usage_reserve($1, $2, $3, $4, $5)"


async def _reserve(url: str, tenants: list[UUID], rounds: int, day_limit: int) -> int:
    connection = await asyncpg.connect(url)
    granted = 0
    try:
        for _ in range(rounds):
            async with connection.transaction():
                scope = "{" + ",".join(map(str, tenants)) + "}"
                await connection.execute("SELECT set_config('app.tenant_ids', $1, true)", scope)
                ones, limits, none = ([number] * len(tenants) for number in (1, day_limit, -1))
                rows = await connection.fetch(_RESERVE, tenants, ones, limits, none, none)
                granted += sum(row["granted"] for row in rows)
    finally:
        await connection.close()
    return granted


async def test_batches_in_opposite_orders_never_lock_each_other_out(yard: Yard):
    tenants = [await yard.tenant() for _ in range(20)]
    url = role_url(yard.environment, "tq_submit")
    await asyncio.gather(
        *(_reserve(url, order, _ROUNDS, -1) for order in (tenants, tenants[::-1], tenants, tenants[::-1]))
    )
    used = await yard.owner.fetch("SELECT day_used FROM tenant_admitted WHERE tenant_id = ANY($1)", tenants)
    assert {row["day_used"] for row in used} == {4 * _ROUNDS}


async def test_a_quota_admits_exactly_its_limit_however_many_ask(yard: Yard):
    tenant_id = await yard.tenant()
    url = role_url(yard.environment, "tq_submit")
    granted = await asyncio.gather(*(_reserve(url, [tenant_id], 20, 50) for _ in range(6)))
    assert sum(granted) == 50


async def test_times_of_a_tenant_that_was_deleted_by_hand_keep_no_other_from_being_added(yard: Yard):
    tenant_id, gone = await yard.tenant(), uuid.uuid4()
    await yard.owner.execute(
        "INSERT INTO worker_time (tenant_id, task, attempts, seconds)"
        " SELECT id, 'echo', 2, 3 FROM unnest($1::uuid[]) AS id",
        [gone, tenant_id],
    )
    await yard.owner.fetch("SELECT * FROM usage_roll_up(10000, 1.0)")
    attempts = "SELECT attempts FROM usage_by_task WHERE tenant_id = $1"
    assert await yard.owner.fetchval(attempts, tenant_id) == 2
    assert (
        await yard.owner.fetchval("SELECT count(*) FROM worker_time WHERE tenant_id = ANY($1)", [gone, tenant_id]) == 0
    )
