"""Leases under races: whatever meets, a task ends once, by the lease that counts, and no slot is left."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from redis.asyncio import Redis

from app.broker import tickets
from app.db import Database
from app.dispatch.expired_leases import ExpiredLeases
from app.dispatch.postgres_contact import PostgresContact
from app.dispatch.rescuer import Rescuer
from app.http.long_poll import WaitingClient
from app.remote import work
from app.remote.parked_polls import ParkedPolls
from app.remote.schemas import LeaseRequest
from app.tasks.own_types import OwnTypes
from app.tasks.run import leases
from app.tasks.run.leases import Finished, Lease, LeasingWorker, SeenWorkers
from tests.conftest import Servers, role_url
from tests.races.conftest import Yard

WORKER = LeasingWorker("w", None, ("z",))


@dataclass
class Field:
    """A tenant with tasks of its own type, its workers, and a dispatcher."""

    yard: Yard
    worker: Database
    redis: Redis
    dispatcher: "asyncpg.Connection[Any]"
    contact: PostgresContact

    async def tenant(self, tasks: int, lease_limit: int = 1000, **changes: Any) -> UUID:
        """Make a tenant whose tasks wait for its own workers."""
        tenant_id = await self.yard.tenant(running_limit=1)
        await self.yard.owner.execute(
            "UPDATE tenant_slots SET lease_limit = $2 WHERE tenant_id = $1", tenant_id, lease_limit
        )
        await self.yard.tasks(tenant_id, tasks, **({"task": "z", "pool": "remote:z"} | changes))
        return tenant_id

    async def take(self, tenant_id: UUID, limit: int = 1, seconds: int = 60) -> list[Lease]:
        """Lease tasks."""
        taken = await leases.take(self.worker, tenant_id, WORKER, {"z": seconds}, limit)
        return [one.lease for one in taken]

    async def finish(self, lease: Lease, value: Any = 1) -> str | None:
        """End one attempt with a result; return the task's status, None if the lease is lost."""
        [ended] = await leases.finish(
            self.worker, self.redis, lease.tenant_id, {}, [Finished(lease, value, None)], max_bytes=1000
        )
        return ended.status

    async def expire(self, tenant_id: UUID) -> None:
        """Let every lease of a tenant be over."""
        await self.yard.owner.execute(
            "UPDATE lease SET expires_at = now() - interval '1 second' WHERE tenant_id = $1", tenant_id
        )

    async def sweep(self) -> None:
        """Take the attempts of expired leases away, once."""
        await self.sweeper(await self.yard.lead(self.dispatcher)).tick()

    def sweeper(self, lead: Any) -> ExpiredLeases:
        """Return the sweep, to which no outage of Postgres is known."""
        sweep = ExpiredLeases(lead, self.worker, self.contact)
        sweep._prolonged_since = self.contact.since
        return sweep

    async def facts(self, tenant_id: UUID) -> tuple[int, int, int, list[str]]:
        """Return the leased and running slots, the rows of leases, and the status of each attempt, the oldest first."""
        row = await self.yard.owner.fetchrow(
            "SELECT leased, running, (SELECT count(*) FROM lease l WHERE l.tenant_id = $1) AS leases"
            " FROM tenant_slots WHERE tenant_id = $1",
            tenant_id,
        )
        statuses = await self.yard.owner.fetch(
            "SELECT status FROM attempt WHERE tenant_id = $1 ORDER BY started_at, attempt", tenant_id
        )
        assert row is not None
        return row["leased"], row["running"], row["leases"], [one["status"] for one in statuses]


@pytest.fixture
async def field(yard: Yard, servers: Servers) -> AsyncIterator[Field]:
    """The database of the races, with all who act on leases."""
    worker, redis = yard.database("tq_worker", 4), Redis.from_url(servers.valkey.url)
    dispatcher: asyncpg.Connection[Any] = await asyncpg.connect(role_url(yard.environment, "tq_dispatch"))
    contact = PostgresContact()
    contact.answered(datetime.now(UTC))
    try:
        yield Field(yard, worker, redis, dispatcher, contact)
    finally:
        await dispatcher.close()
        await worker.close()
        await redis.aclose()


async def test_many_workers_lease_each_task_once_and_never_more_than_the_limit(field: Field):
    tenant_id = await field.tenant(40, lease_limit=25)
    taken = await asyncio.gather(*(field.take(tenant_id, 4) for _ in range(12)))
    held = [lease for some in taken for lease in some]
    assert len(held) == len({lease.task_id for lease in held}) == 25
    assert (await field.facts(tenant_id))[:3] == (25, 0, 25)
    assert await asyncio.gather(*map(field.finish, held)) == ["SUCCESS"] * 25
    assert (await field.facts(tenant_id))[:3] == (0, 0, 0)
    assert len(await field.take(tenant_id, 100)) == 15


async def test_a_task_that_is_created_between_the_look_and_the_wait_of_a_poll_is_leased(field: Field, servers: Servers):
    polls = ParkedPolls(servers.valkey.url)
    await polls.start()
    try:
        tenant_id = await field.tenant(1)
        await field.take(tenant_id)
        with polls.parked(tenant_id, ["z"], max_tasks=1, limit=1) as poll:
            with poll.looking():
                assert await field.take(tenant_id) == []
                # Committed after the look has read, and told while it is not over.
                [task_id] = await field.yard.tasks(tenant_id, 1, task="z", pool="remote:z")
                with polls.parked(tenant_id, ["z"], max_tasks=1, limit=2) as heard:
                    await tickets.offer_many(field.redis, [(tenant_id, "remote:z", 2)])
                    assert await heard.hear(20)
                    with heard.looking():
                        pass
            assert await poll.hear(0)
            with poll.looking():
                assert [lease.task_id for lease in await field.take(tenant_id)] == [task_id]
    finally:
        await polls.close()


async def test_a_task_that_was_leased_to_a_client_that_has_gone_is_given_back_at_once(field: Field, servers: Servers):
    polls, reader = ParkedPolls(servers.valkey.url), field.yard.database("tq_api")
    parts: Any = SimpleNamespace(
        parked_polls=polls, worker=field.worker, reader=reader, redis=field.redis, seen_workers=SeenWorkers(),
        own_types=OwnTypes(reader),
    )  # fmt: skip
    tenant_id = await field.tenant(2)
    principal: Any = SimpleNamespace(tenant_id=tenant_id, plan="free", overrides={})
    wanted = LeaseRequest(worker="w", tasks=["z"], wait_seconds=30)
    try:
        for gone, is_answered in ((_at_once, False), (asyncio.Event().wait, True)):
            client = WaitingClient(still_may=_at_once, gone=gone)  # type: ignore[arg-type]
            answer = await work.wait_and_lease(parts, principal, wanted, 30, client)
            assert (answer is not None) == is_answered
        assert (await field.facts(tenant_id))[:4] == (1, 0, 1, ["RETURNED", "STARTED"])
    finally:
        await reader.close()


async def _at_once() -> None:
    """Return."""


async def test_a_lease_takes_no_slot_of_the_service(field: Field):
    tenant_id = await field.tenant(3)
    await field.take(tenant_id, 3)
    plain = await field.yard.tasks(tenant_id, 1)
    rows = await field.yard.owner.fetch(
        "SELECT task_id FROM tasks_claim('prefork', $1, ARRAY[$2::uuid], ARRAY[5], $3, 15, 5, 1)",
        uuid4(),
        tenant_id,
        uuid4(),
    )
    assert [row["task_id"] for row in rows] == plain
    assert (await field.facts(tenant_id))[:2] == (3, 1)


async def test_of_two_ends_at_once_one_counts(field: Field):
    tenant_id = await field.tenant(20)
    held = await field.take(tenant_id, 20)
    for lease in held:
        ends = [Finished(lease, 1, None)], [Finished(lease, None, leases.Reported("E", "m", retry=False))]
        both = await asyncio.gather(
            *(leases.finish(field.worker, field.redis, tenant_id, {}, end, max_bytes=1000) for end in ends)
        )
        statuses = [outcome.status for [outcome] in both]
        assert sorted(map(bool, statuses)) == [False, True]
    assert (await field.facts(tenant_id))[:3] == (0, 0, 0)


async def test_an_end_meets_the_expiry_and_the_task_ends_or_waits_again_but_not_both(field: Field):
    tenant_id = await field.tenant(12)
    for _ in range(12):
        [lease] = await field.take(tenant_id)
        await leases.renew(field.worker, tenant_id, [lease])
        await field.expire(tenant_id)
        status, _ = await asyncio.gather(field.finish(lease), field.sweep())
        stored = await field.yard.owner.fetchval(
            "SELECT status FROM task WHERE tenant_id = $1 AND id = $2", tenant_id, lease.task_id
        )
        assert stored == (status or "PENDING")
        await field.yard.owner.execute(
            "DELETE FROM backlog WHERE tenant_id = $1 AND task_id = $2", tenant_id, lease.task_id
        )
    leased, running, left, statuses = await field.facts(tenant_id)
    assert (leased, running, left) == (0, 0, 0)
    assert set(statuses) <= {"SUCCESS", "LOST"}


async def test_a_heartbeat_meets_the_expiry_and_a_lease_that_was_renewed_is_kept(field: Field):
    tenant_id = await field.tenant(1)
    [lease] = await field.take(tenant_id)
    for _ in range(20):
        await field.expire(tenant_id)
        renewed, _ = await asyncio.gather(leases.renew(field.worker, tenant_id, [lease]), field.sweep())
        attempts = (await field.facts(tenant_id))[3]
        if not renewed:
            assert attempts[-1] in {"RETURNED", "LOST"}
            [lease] = await field.take(tenant_id)
        else:
            assert attempts[-1] == "STARTED"
    assert (await field.facts(tenant_id))[0] == 1


async def test_a_lease_that_was_never_named_is_returned_as_often_as_it_happens(field: Field):
    tenant_id = await field.tenant(1)
    for _ in range(7):
        assert await field.take(tenant_id)
        await field.expire(tenant_id)
        await field.sweep()
    assert await field.facts(tenant_id) == (0, 0, 0, ["RETURNED"] * 7)


async def test_five_leases_that_expire_end_the_task(field: Field):
    tenant_id = await field.tenant(1)
    for _ in range(5):
        [lease] = await field.take(tenant_id)
        assert await leases.renew(field.worker, tenant_id, [lease])
        await field.expire(tenant_id)
        await field.sweep()
        assert await leases.renew(field.worker, tenant_id, [lease]) == {}
        assert await field.finish(lease) is None
    assert await field.take(tenant_id) == []
    task = await field.yard.owner.fetchrow("SELECT status, error FROM task WHERE tenant_id = $1", tenant_id)
    assert task is not None
    assert (task["status"], "WorkerLost" in task["error"]) == ("FAILURE", True)
    assert await field.facts(tenant_id) == (0, 0, 0, ["LOST"] * 5)


async def test_an_old_lease_of_the_same_task_changes_nothing(field: Field):
    tenant_id = await field.tenant(1)
    [old] = await field.take(tenant_id)
    await field.expire(tenant_id)
    await field.sweep()
    [new] = await field.take(tenant_id)
    assert new.task_id == old.task_id
    # It was given back before, so to give it back again says the same.
    assert await leases.release(field.worker, field.redis, tenant_id, [old]) == [True]
    assert await field.finish(old, "old") is None
    assert list(await leases.renew(field.worker, tenant_id, [old, new])) == [new]
    assert await field.finish(new, "new") == "SUCCESS"
    assert (await field.facts(tenant_id))[:3] == (0, 0, 0)


async def test_the_rescuer_leaves_leases_alone_until_their_deadline(field: Field):
    tenant_id = await field.tenant(1)
    [lease] = await field.take(tenant_id)
    later = "UPDATE attempt SET started_at = now() - interval '1 hour' WHERE tenant_id = $1"
    await field.yard.owner.execute(later, tenant_id)
    rescuer = Rescuer(await field.yard.lead(field.dispatcher), field.worker)
    assert tenant_id not in {offer[0] for offer in (await rescuer.tick()).offers}
    await field.yard.owner.execute("UPDATE attempt SET deadline_at = now() WHERE tenant_id = $1", tenant_id)
    assert (tenant_id, "remote:z") in (await rescuer.tick()).offers
    assert await leases.renew(field.worker, tenant_id, [lease]) == {}
    # Its row goes when the lease expires; the task that waits again is not touched.
    await field.expire(tenant_id)
    await field.sweep()
    assert await field.facts(tenant_id) == (0, 0, 0, ["LOST"])


async def test_after_an_outage_confirmed_leases_last_from_its_end(field: Field):
    tenant_id = await field.tenant(2)
    confirmed, _ = await field.take(tenant_id, 2)
    await leases.renew(field.worker, tenant_id, [confirmed])
    await field.expire(tenant_id)
    sweep = field.sweeper(await field.yard.lead(field.dispatcher))
    field.contact.answered(datetime.now(UTC) + timedelta(minutes=1))
    await sweep.tick()
    assert (await field.facts(tenant_id))[2:] == (1, ["STARTED", "RETURNED"])
    assert list(await leases.renew(field.worker, tenant_id, [confirmed])) == [confirmed]


async def test_the_ledger_counts_leases_apart(field: Field):
    tenant_id = await field.tenant(3)
    await field.take(tenant_id, 2)
    reconcile = "SELECT tenant_id FROM ledger_reconcile()"
    assert tenant_id not in {row["tenant_id"] for row in await field.yard.owner.fetch(reconcile)}
    await field.yard.owner.execute("UPDATE tenant_slots SET leased = 9, running = 1 WHERE tenant_id = $1", tenant_id)
    await field.yard.owner.fetch(reconcile)
    assert (await field.facts(tenant_id))[:2] == (2, 0)


async def test_a_tenant_at_its_limit_of_leases_says_so(field: Field):
    tenant_id = await field.tenant(2, lease_limit=1)
    await field.take(tenant_id)
    waiting = await field.yard.owner.fetchval("SELECT task_id FROM backlog WHERE tenant_id = $1", tenant_id)
    reason = "SELECT waiting_reason FROM task_statuses(ARRAY[$1::uuid], ARRAY[$2::uuid], 15, 45)"
    assert await field.yard.owner.fetchval(reason, tenant_id, waiting) == "TENANT_CONCURRENCY"
