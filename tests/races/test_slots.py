"""The last free slot of a pool is kept from tenants with long tasks; short ones use every slot, and nothing is counted twice."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from app.broker.ring import ASYNCIO, HTTP, PREFORK
from app.db import Database, connect
from app.dispatch.leadership import Lead
from app.dispatch.ledger import Ledger
from app.dispatch.slot_reserve import SlotReserve
from app.tasks import store, sweep_store
from app.tasks.read import store as read_store
from app.tasks.run.attempts import AttemptEnd, Claim, FinishResult, Outcome
from app.tasks.run.end import end as end_attempts
from tests.claims import claim_for
from tests.conftest import role_url
from tests.races.conftest import Yard, new_task, unlimited

_DONE = Outcome("SUCCESS", "SUCCESS")


@dataclass
class Slots:
    """A pool of so many slots, who claims there, and the dispatcher that judges."""

    yard: Yard
    worker: Database
    lead: Lead
    ledger: Ledger
    reserve: SlotReserve

    async def open(self, count: int, pool: str = PREFORK) -> None:
        """Let the pool have so many slots."""
        await self.yard.owner.execute("DELETE FROM worker WHERE pool = $1", pool)
        await self.yard.owner.execute(
            "INSERT INTO worker (id, hostname, pool, slots, task_types) VALUES ($1, 'a', $2, $3, '{}')",
            uuid.uuid4(), pool, count,
        )  # fmt: skip
        await self.look()

    async def look(self) -> list[tuple[UUID, str]]:
        """Let the dispatcher look at once."""
        self.reserve._looked_at = 0.0
        return await self.reserve.look()

    async def claim(self, tenant_id: UUID, limit: int = 1, pool: str = PREFORK) -> list[Claim]:
        return await claim_for(self.worker, tenant_id, pool=pool, worker_id=uuid.uuid4(), limit=limit)

    async def end(self, claim: Claim, seconds: float, outcome: Outcome = _DONE) -> FinishResult:
        [ended] = await end_attempts(self.worker, [AttemptEnd(claim, outcome, seconds=seconds)])
        assert ended is not None
        return ended

    async def age(self, *claims: Claim) -> None:
        """Let attempts have run for two seconds."""
        await self.yard.owner.execute(
            "UPDATE attempt SET started_at = started_at - interval '2 seconds' WHERE claim_token = ANY($1)",
            [claim.claim_token for claim in claims],
        )

    async def cap(self, tenant_id: UUID) -> int | None:
        found: int | None = await self.yard.owner.fetchval(
            "SELECT cap_prefork FROM tenant_slots WHERE tenant_id = $1", tenant_id
        )
        return found

    async def let_be_long(self, task: str) -> None:
        """Let the recent attempts of a type have been long."""
        self.ledger.lengths.note(task, 50, 50)
        await self.look()

    async def reason(self, tenant_id: UUID, task_id: UUID) -> str:
        api = self.yard.database("tq_api", 1)
        try:
            async with api.transaction(tenant_id) as connection:
                [row] = await read_store.statuses_any_tenant(connection, [(tenant_id, task_id)])
        finally:
            await api.close()
        return str(row["waiting_reason"])


@pytest.fixture
async def slots(yard: Yard) -> AsyncIterator[Slots]:
    tables = "worker, pool_slots, long_task_type, worker_time"
    await yard.owner.execute(f"TRUNCATE {tables}")
    await yard.owner.execute("UPDATE attempt SET finished_at = now() WHERE finished_at IS NULL")
    await yard.owner.execute("UPDATE tenant_slots SET cap_prefork = NULL, cap_asyncio = NULL, cap_http = NULL")
    finder = await connect(role_url(yard.environment, "tq_dispatch"))
    lead = await yard.lead(finder)
    worker, ledger = yard.database("tq_worker"), Ledger(lead)
    yield Slots(yard, worker, lead, ledger, SlotReserve(lead, ledger))
    await worker.close()
    await finder.close()
    await yard.owner.execute(f"TRUNCATE {tables}")
    await yard.owner.execute("UPDATE attempt SET finished_at = now() WHERE finished_at IS NULL")
    await yard.owner.fetch("SELECT * FROM ledger_reconcile()")


async def test_a_tenant_nobody_knows_yet_leaves_the_last_slot_to_another(slots: Slots):
    await slots.open(2)
    fred, bravo = await slots.yard.tenant(running_limit=2), await slots.yard.tenant()
    tasks = await slots.yard.tasks(fred, 3)
    await slots.yard.tasks(bravo, 1, priority=9)
    assert len(await slots.claim(fred)) == 1
    assert await slots.claim(fred) == []
    assert await slots.reason(fred, tasks[2]) == "TENANT_CONCURRENCY"
    assert len(await slots.claim(bravo)) == 1


async def test_short_tasks_use_every_slot(slots: Slots):
    await slots.open(2)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 20)
    [first] = await slots.claim(tenant_id)
    assert await slots.claim(tenant_id) == []
    # Who ends it is told that work waits for its slot.
    assert (await slots.end(first, 0.01)).frees_slot
    claims = [claim for _ in range(4) for claim in await slots.claim(tenant_id, 4)]
    assert len(claims) == 16
    assert claims[-1].has_more


async def test_a_child_takes_into_its_one_slot_what_it_knows_to_be_short(slots: Slots):
    await slots.open(2)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 20)
    claims = await slots.claim(tenant_id, 8)
    assert len(claims) == 8
    # More is due, but not for another slot.
    assert not claims[-1].has_more
    ends = await end_attempts(slots.worker, [AttemptEnd(claim, _DONE, seconds=2.0) for claim in claims])
    assert all(end and end.frees_slot for end in ends)


async def test_of_one_task_alone_no_end_asks_for_another_claim(slots: Slots):
    await slots.open(2)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 1)
    [claim] = await slots.claim(tenant_id)
    assert not (await slots.end(claim, 0.01)).frees_slot


@pytest.mark.parametrize("outcome", [Outcome("PENDING", "RETURNED"), Outcome("PENDING", "LOST")])
async def test_what_was_given_back_or_lost_says_nothing_of_how_long_tasks_run(slots: Slots, outcome: Outcome):
    await slots.open(2)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 3)
    [claim] = await slots.claim(tenant_id)
    await slots.end(claim, 0.0, outcome)
    assert len(await slots.claim(tenant_id)) == 1
    assert await slots.claim(tenant_id) == []


async def test_long_attempts_of_several_tenants_together_leave_one_slot_free(slots: Slots):
    await slots.open(4)
    one, other, urgent = [await slots.yard.tenant() for _ in range(3)]
    for tenant_id in (one, other):
        await slots.yard.tasks(tenant_id, 9)
    claims = [*await slots.claim(one), *await slots.claim(other), *await slots.claim(other)]
    await slots.age(*claims)
    # That one of its tasks was short makes no other one short.
    await slots.yard.owner.execute("UPDATE tenant_slots SET short_until_prefork = now() + interval '1 hour'")
    await slots.look()
    assert (await slots.claim(one), await slots.claim(other)) == ([], [])
    await slots.yard.tasks(urgent, 1)
    assert len(await slots.claim(urgent)) == 1


async def test_a_type_known_to_be_long_is_kept_from_the_last_free_slot_before_it_starts(slots: Slots):
    await slots.open(2)
    await slots.let_be_long("slow")
    one, other, urgent = [await slots.yard.tenant() for _ in range(3)]
    await slots.yard.tasks(one, 1, task="slow")
    [waits] = await slots.yard.tasks(other, 1, task="slow")
    await slots.yard.tasks(urgent, 1)
    assert len(await slots.claim(one)) == 1
    assert await slots.claim(other) == []
    assert await slots.reason(other, waits) == "TENANT_CONCURRENCY"
    assert len(await slots.claim(urgent)) == 1


async def test_a_long_type_has_all_other_slots_at_once(slots: Slots):
    await slots.open(4)
    await slots.let_be_long("slow")
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 9, task="slow")
    assert [len(await slots.claim(tenant_id)) for _ in range(4)] == [1, 1, 1, 0]


async def test_beside_its_long_task_a_tenant_starts_others_at_once_while_slots_are_free(slots: Slots):
    await slots.open(8)
    await slots.let_be_long("slow")
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 1, task="slow")
    [slow] = await slots.claim(tenant_id)
    # What is submitted before the dispatcher looks again, and after that.
    for expected in (2, 1):
        await slots.yard.tasks(tenant_id, 2)
        claimed = [claim for _ in range(expected) for claim in await slots.claim(tenant_id)]
        assert len(claimed) == expected
        await slots.age(slow)
        await slots.look()


async def test_a_submit_of_several_tenants_takes_no_pool_before_it_has_all_their_slots(slots: Slots):
    await slots.open(8)
    await slots.open(8, ASYNCIO)
    await slots.let_be_long("slow")
    first, second = sorted([await slots.yard.tenant() for _ in range(2)])
    submitting = slots.yard.database("tq_submit", 1)
    tasks = [new_task(first, task="slow", pool=PREFORK), new_task(second, task="slow", pool=ASYNCIO)]
    demands = {tenant_id: unlimited(1) for tenant_id in (first, second)}

    async def submit() -> None:
        async with submitting.statement() as connection:
            await store.accept_any_tenant(connection, demands, tasks)

    async with slots.yard.owner.transaction():
        await slots.yard.owner.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", second)
        submitted = asyncio.create_task(submit())
        while not await slots.yard.owner.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):  # noqa: ASYNC110 another process holds it
            await asyncio.sleep(0.01)
        # Another submit may have this pool: it would wait for the other one while it has this, and so on in a circle.
        await slots.yard.owner.execute("SELECT FROM pool_slots WHERE pool = $1 FOR UPDATE NOWAIT", PREFORK)
    await submitted
    await submitting.close()


async def test_a_long_type_that_is_scheduled_judges_nobody_yet(slots: Slots):
    await slots.open(2)
    await slots.let_be_long("slow")
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 1, task="slow", delay_seconds=600.0)
    assert await slots.cap(tenant_id) is None


async def test_tenants_with_long_tasks_take_turns_in_the_one_slot_they_have(slots: Slots):
    await slots.open(2)
    await slots.let_be_long("slow")
    one, other = await slots.yard.tenant(), await slots.yard.tenant()
    for tenant_id in (one, other):
        await slots.yard.tasks(tenant_id, 5, task="slow")
    turns = []
    for _ in range(6):
        await slots.look()
        claims = [*await slots.claim(one), *await slots.claim(other)]
        assert len(claims) == 1
        await slots.age(*claims)
        await slots.look()
        await slots.end(claims[0], 2.0)
        turns.append(claims[0].tenant_id)
    assert turns.count(one) == turns.count(other) == 3


async def test_who_may_start_more_than_before_is_offered_a_ticket(slots: Slots):
    await slots.open(2)
    await slots.let_be_long("slow")
    one, other = await slots.yard.tenant(), await slots.yard.tenant()
    await slots.yard.tasks(one, 1, task="slow")
    await slots.yard.tasks(other, 1, task="slow")
    [claim] = await slots.claim(one)
    assert (await slots.look(), await slots.cap(other)) == ([], 0)
    due = await sweep_store.tenants_with_due_work_any_tenant(slots.lead.connection)
    assert (other, PREFORK) not in due
    await slots.end(claim, 2.0)
    assert await slots.look() == [(other, PREFORK)]
    assert (other, PREFORK) in await sweep_store.tenants_with_due_work_any_tenant(slots.lead.connection)


async def test_a_tenant_whose_long_tasks_have_ended_is_like_any_other(slots: Slots):
    await slots.open(3)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 1)
    [claim] = await slots.claim(tenant_id)
    await slots.age(claim)
    await slots.look()
    assert await slots.cap(tenant_id) == 1
    await slots.end(claim, 2.0)
    await slots.look()
    assert await slots.cap(tenant_id) is None


async def test_without_a_dispatcher_nobody_is_kept_from_a_slot(slots: Slots):
    await slots.open(2)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 9)
    [claim] = await slots.claim(tenant_id)
    await slots.age(claim)
    await slots.look()
    assert await slots.claim(tenant_id) == []
    await slots.yard.owner.execute("UPDATE pool_slots SET judged_at = now() - interval '16 seconds'")
    assert len(await slots.claim(tenant_id)) == 1


async def test_a_pool_of_one_slot_has_no_reserve_and_says_so(slots: Slots, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        await slots.open(1)
        await slots.look()
    said = [record for record in caplog.records if "one slot" in record.getMessage()]
    assert [vars(record)["pool"] for record in said] == [PREFORK]
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 3)
    claims = [*await slots.claim(tenant_id), *await slots.claim(tenant_id)]
    await slots.age(*claims)
    await slots.look()
    assert await slots.cap(tenant_id) is None
    assert len(await slots.claim(tenant_id)) == 1


@pytest.mark.parametrize("pool", [ASYNCIO, HTTP])
async def test_in_the_asyncio_and_http_pools_each_attempt_has_a_slot(slots: Slots, pool: str):
    await slots.open(6, pool)
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 9, pool=pool)
    assert len(await slots.claim(tenant_id, 4, pool)) == 4
    claims = await slots.claim(tenant_id, 4, pool)
    assert len(claims) == 1
    counts = await slots.yard.owner.fetchrow(
        f"SELECT running, running_{pool} FROM tenant_slots WHERE tenant_id = $1", tenant_id
    )
    assert tuple(counts) == (5, 5)
    # Its prefork slots are counted by themselves.
    await slots.open(2)
    await slots.yard.tasks(tenant_id, 2)
    assert [len(await slots.claim(tenant_id)) for _ in range(2)] == [1, 0]
    assert (await slots.end(claims[0], 0.01)).frees_slot
    assert len(await slots.claim(tenant_id, 4, pool)) == 4


@pytest.mark.parametrize("pool", [ASYNCIO, HTTP])
async def test_a_count_of_a_pool_that_is_off_is_made_what_the_rows_say(slots: Slots, pool: str):
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 2, pool=pool)
    assert len(await slots.claim(tenant_id, 2, pool)) == 2
    await slots.ledger.reconcile()
    await slots.yard.owner.execute(f"UPDATE tenant_slots SET running_{pool} = 7 WHERE tenant_id = $1", tenant_id)
    assert await slots.ledger.reconcile() == 1
    running = f"SELECT running_{pool} FROM tenant_slots WHERE tenant_id = $1"
    assert await slots.yard.owner.fetchval(running, tenant_id) == 2


async def test_types_are_found_to_be_long_by_what_has_ended_and_kept_for_the_next_leader(slots: Slots):
    tenant_id = await slots.yard.tenant()
    await slots.yard.tasks(tenant_id, 3, task="slow")
    await slots.yard.tasks(tenant_id, 3, task="quick")
    for claim in await slots.claim(tenant_id, 6):
        await slots.end(claim, 1.5 if claim.task == "slow" else 0.5)
    await slots.ledger.roll_up()
    await slots.look()
    types = "SELECT array_agg(task) FROM long_task_type"
    assert await slots.yard.owner.fetchval(types) == ["slow"]
    successor = Ledger(slots.lead)
    await SlotReserve(slots.lead, successor).look()
    assert successor.lengths.long_types() == {"slow"}
    for _ in range(2):
        successor.lengths.note("slow", 4, 0)
    await SlotReserve(slots.lead, successor).look()
    assert await slots.yard.owner.fetchval(types) is None


async def test_a_look_that_changes_nothing_writes_nothing(slots: Slots):
    await slots.open(2)
    written = "SELECT xmin::text FROM pool_slots"
    before = await slots.yard.owner.fetchval(written)
    await slots.look()
    assert await slots.yard.owner.fetchval(written) == before


async def test_long_requests_leave_the_last_slot_of_the_http_pool_and_take_none_of_another(slots: Slots):
    for pool in (PREFORK, ASYNCIO, HTTP):
        await slots.open(3, pool)
    await slots.let_be_long("http_request")
    one, other = await slots.yard.tenant(), await slots.yard.tenant()
    await slots.yard.tasks(one, 9, task="http_request", pool=HTTP)
    claims = await slots.claim(one, 9, HTTP)
    await slots.age(*claims)
    await slots.look()
    assert len([*claims, *await slots.claim(one, 9, HTTP)]) == 2
    # Its tasks in the other pools have the slots of those.
    for pool in (PREFORK, ASYNCIO):
        await slots.yard.tasks(one, 1, pool=pool)
        assert len(await slots.claim(one, 1, pool)) == 1
    assert await slots.reason(one, await _waiting(slots, one)) == "TENANT_CONCURRENCY"
    await slots.yard.tasks(other, 1, pool=HTTP)
    assert len(await slots.claim(other, 1, HTTP)) == 1


async def _waiting(slots: Slots, tenant_id: UUID) -> UUID:
    found: UUID = await slots.yard.owner.fetchval(
        "SELECT task_id FROM backlog WHERE tenant_id = $1 AND pool = 'http' LIMIT 1", tenant_id
    )
    return found
