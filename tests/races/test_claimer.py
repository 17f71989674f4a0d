"""The asyncio pool claims for tenants in the order of their tickets, in larger groups for those with more due tasks."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.broker.ring import ASYNCIO, queue_name
from app.tasks.run.attempts import Claim
from app.worker.aio import claimer as claiming
from app.worker.aio.claimer import Claimer, ClaimLimits
from tests.conftest import Servers
from tests.races.conftest import Yard


@dataclass
class Pool:
    """A claimer, its lock, and the groups of attempts that it has started."""

    yard: Yard
    runtime: Any
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    groups: list[list[Claim]] = field(default_factory=list)

    def claimer(self, capacity: int = 1_000) -> Claimer:
        return Claimer(
            self.runtime, uuid.uuid4(), self._start, pool=ASYNCIO, capacity=capacity, statement_lock=self.lock
        )

    def _start(self, claims: Any) -> None:
        if claims:
            self.groups.append(list(claims))

    async def tenant(self, tasks: int) -> UUID:
        tenant_id = await self.yard.tenant()
        await self.yard.tasks(tenant_id, tasks, pool=ASYNCIO)
        return tenant_id

    def claimed(self) -> Counter[UUID]:
        return Counter(claim.tenant_id for group in self.groups for claim in group)

    async def tickets(self, tenant_id: UUID) -> int:
        return int(await self.runtime.redis.llen(queue_name(tenant_id, ASYNCIO)))


@pytest.fixture
async def pool(yard: Yard, servers: Servers) -> AsyncIterator[Pool]:
    # A database of Redis of its own: no worker of the run takes the tickets that are offered here.
    redis, spawned = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/9"), set[asyncio.Task[Any]]()
    database = yard.database("tq_worker")

    def spawn(work: Any) -> None:
        spawned.add(asyncio.ensure_future(work))

    # No dispatcher judges this pool, so a tenant may have every slot.
    await yard.owner.execute("TRUNCATE pool_slots")
    yield Pool(yard, SimpleNamespace(loop=asyncio.get_running_loop(), database=database, redis=redis, spawn=spawn))
    await asyncio.gather(*spawned)
    await redis.flushdb()
    await redis.aclose()
    await database.close()


@pytest.fixture
def long_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no turn end because the machine is slow."""
    monkeypatch.setattr(claiming, "_TURN_SECONDS", 60.0)


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every turn end with its first claim."""
    monkeypatch.setattr(claiming, "_TURN_SECONDS", -1.0)


async def _idle(claimer: Claimer) -> None:
    async with asyncio.timeout(10):
        while not claimer.is_idle:  # noqa: ASYNC110 what is awaited is the end of its own task
            await asyncio.sleep(0.01)
    await claimer.close()


@pytest.mark.usefixtures("long_turns")
async def test_one_ticket_claims_all_that_is_due_in_groups_that_double(pool: Pool):
    claimer, tenant_id = pool.claimer(), await pool.tenant(100)
    await claimer.serve(tenant_id)
    await _idle(claimer)
    assert [len(group) for group in pool.groups] == [4, 8, 16, 32, 40]
    # Once, so that other workers start too.
    assert await pool.tickets(tenant_id) == 2


@pytest.mark.usefixtures("short_turns")
async def test_a_tenant_whose_turn_is_over_gets_a_ticket_instead_of_another_claim(pool: Pool):
    claimer, tenant_id = pool.claimer(), await pool.tenant(10)
    await claimer.serve(tenant_id)
    await _idle(claimer)
    assert pool.claimed() == {tenant_id: 4}
    assert await pool.tickets(tenant_id) == 3


@pytest.mark.usefixtures("long_turns")
async def test_a_lone_task_is_claimed_once_and_offers_nothing(pool: Pool):
    claimer, tenant_id = pool.claimer(), await pool.tenant(1)
    await claimer.serve(tenant_id)
    await _idle(claimer)
    assert [len(group) for group in pool.groups] == [1]
    assert await pool.tickets(tenant_id) == 0


@pytest.mark.usefixtures("long_turns")
async def test_tenants_whose_tickets_come_during_a_statement_share_the_next_claim(pool: Pool):
    claimer, tenants = pool.claimer(), [await pool.tenant(2) for _ in range(5)]
    async with pool.lock:
        served = [claimer.serve(tenant_id) for tenant_id in tenants]
        await asyncio.sleep(0)
        assert not any(one.done() for one in served)
    await asyncio.wait(served)
    await _idle(claimer)
    assert len(pool.groups) == 1
    # The first task of each, then the second of each.
    first = [claim.tenant_id for claim in pool.groups[0]][:5]
    assert set(first) == set(tenants)


@pytest.mark.usefixtures("long_turns")
async def test_no_more_is_claimed_than_there_is_room_for_and_who_has_waited_longest_is_next(pool: Pool):
    claimer, first, second = pool.claimer(capacity=3), await pool.tenant(5), await pool.tenant(5)
    served = [claimer.serve(first), claimer.serve(second)]
    await asyncio.wait(served, return_when=asyncio.FIRST_COMPLETED)
    await _idle(claimer)
    assert (pool.claimed(), claimer.room, served[1].done()) == ({first: 3}, 0, False)
    claimer.release(3)
    await asyncio.wait(served)
    await _idle(claimer)
    assert (pool.claimed()[second], claimer.room) == (3, 0)


@pytest.mark.usefixtures("long_turns")
async def test_a_freed_slot_is_used_here_while_half_of_the_room_is_free_and_offered_otherwise(pool: Pool):
    claimer, tenant_id = pool.claimer(capacity=4), await pool.tenant(3)
    claimer.offer(tenant_id)
    await _idle(claimer)
    assert (pool.claimed(), claimer.room) == ({tenant_id: 3}, 1)
    claimer.offer(tenant_id)
    await _idle(claimer)
    assert await pool.tickets(tenant_id) == 1


@pytest.mark.usefixtures("long_turns")
async def test_without_room_a_tenant_with_more_due_tasks_waits_for_its_next_turn_in_the_ring(pool: Pool):
    claimer, tenant_id = pool.claimer(capacity=4), await pool.tenant(6)
    await claimer.serve(tenant_id)
    await _idle(claimer)
    claimer.release(4)
    await _idle(claimer)
    assert pool.claimed() == {tenant_id: 4}
    assert await pool.tickets(tenant_id) == 3


@pytest.mark.usefixtures("long_turns")
async def test_a_claimer_that_is_stopped_offers_the_tickets_of_those_who_wait(pool: Pool):
    claimer, waiting, late = pool.claimer(capacity=0), await pool.tenant(1), await pool.tenant(1)
    served = claimer.serve(waiting)
    claimer.stop()
    await asyncio.wait([served, claimer.serve(late)])
    await _idle(claimer)
    assert pool.groups == []
    assert [await pool.tickets(tenant_id) for tenant_id in (waiting, late)] == [1, 1]


def test_limits_follow_what_the_last_claim_has_brought():
    limits, tenant_id = ClaimLimits(), uuid.uuid4()
    assert limits.get(tenant_id) == ClaimLimits.MIN
    for claimed, limit in ((4, 8), (8, 16), (5, 10), (0, 4), (64, 64)):
        limits.note(tenant_id, claimed)
        assert limits.get(tenant_id) == limit


def test_limits_are_remembered_for_a_bounded_number_of_tenants():
    limits, tenants = ClaimLimits(), [uuid.uuid4() for _ in range(1_001)]
    for tenant_id in tenants:
        limits.note(tenant_id, 10)
    assert [limits.get(tenants[0]), limits.get(tenants[1])] == [ClaimLimits.MIN, 20]
