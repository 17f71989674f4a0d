"""One dispatcher leads, by a lease; one that stood still changes nothing, and no duty's failure ends the lead."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from app.core.errors import LeadLost, Unavailable
from app.db import Database
from app.dispatch import leadership, store
from app.dispatch.error_counter import ErrorCounter
from app.dispatch.leadership import Lead
from app.dispatch.ledger import Ledger
from app.dispatch.loop import Sweeps
from app.dispatch.postgres_contact import PostgresContact
from app.dispatch.pruner import Pruner
from app.quotas import store as quotas_store
from app.task_errors import store as error_store
from app.tasks import partitions, sweep_store
from app.tasks.run.attempts import AttemptEnd, Outcome
from app.tasks.run.end import end_as_leader
from tests.claims import claim_for
from tests.conftest import Servers, role_url
from tests.races.conftest import Yard

_NOBODY = uuid.UUID(int=1)


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/9")
    await client.flushdb()
    yield client
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def lease(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A dispatcher's pool for the lease, in a database where no process leads."""
    await yard.owner.execute("UPDATE dispatcher_lease SET expires_at = now() - interval '1 second'")
    monkeypatch.setattr(leadership, "role_url", lambda role: role_url(yard.environment, role))
    database = yard.database("tq_dispatch", 1)
    yield database
    await database.close()


async def _end_lease(yard: Yard) -> None:
    """Let time pass, for a leader that does not renew."""
    await yard.owner.execute("UPDATE dispatcher_lease SET expires_at = now() - interval '1 second'")


async def test_of_two_dispatchers_one_leads_and_the_other_follows_when_it_ends(lease: Database):
    async with leadership.lead(lease, PostgresContact()) as first:
        assert first is not None
        async with leadership.lead(lease, PostgresContact()) as second:
            assert second is None
    async with leadership.lead(lease, PostgresContact()) as second:
        assert second is not None
        assert second.token != first.token


async def test_a_lease_of_a_clock_that_was_ahead_keeps_nobody_from_leading(yard: Yard, lease: Database):
    # Its leader has died, and the server's clock was set back by an hour: by its time the lease lasts for an hour.
    await yard.owner.execute("UPDATE dispatcher_lease SET expires_at = now() + interval '1 hour'")
    async with leadership.lead(lease, PostgresContact()) as lead:
        assert lead is not None


async def test_of_many_that_ask_at_once_one_leads(yard: Yard, lease: Database):
    many = yard.database("tq_dispatch", 8)
    try:

        async def take() -> bool:
            async with many.statement() as connection:
                return (await store.take_lease_any_tenant(connection, uuid.uuid4(), seconds=4, holder="a"))[0]

        for _ in range(5):
            await _end_lease(yard)
            assert sum(await asyncio.gather(*(take() for _ in range(8)))) == 1
    finally:
        await many.close()


async def test_a_standby_has_heard_postgres_though_it_does_not_lead(yard: Yard, lease: Database):
    await yard.fence()
    # As long as a leader's lease, not the fence's day.
    await yard.owner.execute("UPDATE dispatcher_lease SET expires_at = now() + interval '4 seconds'")
    contact = PostgresContact()
    async with leadership.lead(lease, contact) as lead:
        assert lead is None
    assert contact.has_lasted(0)


async def test_a_lead_is_renewed_while_it_lasts(yard: Yard, lease: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(leadership, "RENEW_INTERVAL", 0.01)
    ends = "SELECT expires_at FROM dispatcher_lease"
    async with leadership.lead(lease, PostgresContact()):
        before = await yard.owner.fetchval(ends)
        async with asyncio.timeout(10):
            while await yard.owner.fetchval(ends) <= before:  # noqa: ASYNC110 the server's state
                await asyncio.sleep(0.01)


async def test_who_finds_another_one_in_its_place_leads_no_more(yard: Yard, lease: Database):
    async with leadership.lead(lease, PostgresContact()) as first:
        assert first is not None
        await _end_lease(yard)
        async with leadership.lead(lease, PostgresContact()) as second:
            assert second is not None
            await first.renew(lease)
            assert not first.is_held
            with pytest.raises(LeadLost):
                first.require()
            await second.renew(lease)
            assert second.is_held
    # The first one's goodbye has not ended the second one's lease, nor has its own.
    assert not await yard.owner.fetchval("SELECT dispatcher_leads($1)", second.token)


async def test_a_lease_that_cannot_be_renewed_ends_by_the_leaders_own_clock(
    lease: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(leadership, "LEASE", 0.05)
    async with leadership.lead(lease, PostgresContact()) as lead:
        assert lead is not None
        await asyncio.sleep(0.1)
        with pytest.raises(LeadLost):
            lead.require()


async def test_the_holder_is_named(yard: Yard, lease: Database):
    async with leadership.lead(lease, PostgresContact()):
        assert ":" in await yard.owner.fetchval("SELECT holder FROM dispatcher_lease")


async def _leave_traces(yard: Yard) -> tuple[UUID, UUID]:
    """Store what each sweep would change."""
    tenant_id = await yard.tenant()
    await yard.owner.execute("UPDATE tenant_slots SET running = 3 WHERE tenant_id = $1", tenant_id)
    await yard.owner.execute(
        "INSERT INTO worker_time (tenant_id, task, attempts, seconds) VALUES ($1, 'a', 1, 1)",
        tenant_id,
    )
    await yard.owner.execute(
        "INSERT INTO idempotency_key (tenant_id, key, fingerprint, task_id, created_at)"
        " VALUES ($1, 'a', '', $1, now() - interval '26 hours')",
        tenant_id,
    )
    worker_id = uuid.uuid4()
    await yard.owner.execute(
        "INSERT INTO worker (id, hostname, pool, slots, task_types, heartbeat_at)"
        " VALUES ($1, 'a', 'prefork', 1, '{}', now() - interval '2 minutes')",
        worker_id,
    )
    return tenant_id, worker_id


_TRACES = """
SELECT (SELECT running FROM tenant_slots WHERE tenant_id = $1), (SELECT count(*) FROM worker_time WHERE tenant_id = $1),
    (SELECT count(*) FROM idempotency_key WHERE tenant_id = $1), (SELECT count(*) FROM worker WHERE id = $2)
"""
_SWEEPS: dict[str, Callable[[Any, UUID], Awaitable[Any]]] = {
    "workers": sweep_store.forget_dead_workers_any_tenant,
    "keys": lambda connection, fence: sweep_store.prune_idempotency_keys_any_tenant(connection, 500, fence),
    "tasks": lambda connection, fence: sweep_store.prune(connection, _NOBODY, timedelta(0), 500, fence),
    "months": lambda connection, fence: sweep_store.drop_partitions_any_tenant(connection, timedelta(days=90), fence),
    "rolled up": lambda connection, fence: quotas_store.roll_up_any_tenant(connection, 5000, fence, short_attempt=1.0),
    "errors": lambda connection, fence: error_store.roll_up_any_tenant(connection, 5000, 1000, fence),
    "ledger": quotas_store.reconcile_any_tenant,
    "partitions": partitions.keep_any_tenant,
}


async def test_no_sweep_of_who_leads_no_more_changes_anything_and_each_of_the_leader_does(yard: Yard, lease: Database):
    traces = await _leave_traces(yard)
    async with leadership.lead(lease, PostgresContact()) as stopped:
        assert stopped is not None
        await _end_lease(yard)
        async with leadership.lead(lease, PostgresContact()) as leader:
            assert leader is not None
            for sweep in _SWEEPS.values():
                await sweep(stopped.connection, stopped.token)
            assert tuple(await yard.owner.fetchrow(_TRACES, *traces)) == (3, 1, 1, 1)
            for sweep in _SWEEPS.values():
                await sweep(leader.connection, leader.token)
            assert tuple(await yard.owner.fetchrow(_TRACES, *traces)) == (0, 0, 0, 0)


@pytest.mark.parametrize("webhook_url", [None, "https://a.example.com/"])
async def test_who_leads_no_more_takes_no_attempt_away(yard: Yard, lease: Database, webhook_url: str | None):
    tenant_id = await yard.tenant()
    [task_id] = await yard.tasks(tenant_id, 1, webhook_url=webhook_url)
    worker = yard.database("tq_worker", 1)
    status = "SELECT status FROM attempt WHERE task_id = $1"
    try:
        [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        with pytest.raises(LeadLost):
            await end_as_leader(worker, AttemptEnd(claim, Outcome("PENDING", "LOST")), _NOBODY)
        assert await yard.owner.fetchval(status, task_id) == "STARTED"
        fence = await yard.fence()
        assert await end_as_leader(worker, AttemptEnd(claim, Outcome("PENDING", "LOST")), fence) is not None
        assert await yard.owner.fetchval(status, task_id) == "LOST"
    finally:
        await worker.close()


def _broken(*_: Any, **__: Any) -> Any:
    async def fail() -> None:
        raise asyncpg.CheckViolationError("a row is in the way")

    return fail()


_DUTIES = {
    "expire": (sweep_store, "expired_any_tenant"),
    "fall due": (sweep_store, "fallen_due_any_tenant"),
    "partitions": (partitions, "keep_any_tenant"),
    "prune": (Pruner, "tick"),
    "roll up": (Ledger, "roll_up"),
    "count errors": (ErrorCounter, "tick"),
    "reconcile the ledger": (Ledger, "reconcile"),
    "reconcile tickets": (sweep_store, "tenants_with_due_work_any_tenant"),
}


@pytest.mark.parametrize("broken", _DUTIES)
async def test_a_duty_that_raises_is_named_and_every_other_one_is_done(
    yard: Yard,
    lease: Database,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    caplog,
    broken: str,
):
    done: set[str] = set()

    def note(name: str, work: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def noted(*args: Any, **names: Any) -> Any:
            done.add(name)
            return await work(*args, **names)

        return noted

    for name, (place, attribute) in _DUTIES.items():
        monkeypatch.setattr(place, attribute, _broken if name == broken else note(name, getattr(place, attribute)))
    worker = yard.database("tq_worker", 1)
    try:
        async with leadership.lead(lease, PostgresContact()) as lead:
            assert lead is not None
            await Sweeps(lead, worker, redis, PostgresContact()).tick()
    finally:
        await worker.close()
    assert done == _DUTIES.keys() - {broken}
    failed = {record.duty for record in caplog.records if record.message == "a duty has failed"}
    # Who judges the tenants rolls up first, if some wait: those of other tests may.
    assert failed - ({"share"} if broken == "roll up" else set()) == {broken}


@pytest.mark.parametrize("error", [OSError(), Unavailable(), LeadLost(), asyncpg.AdminShutdownError()])
async def test_without_postgres_or_the_lead_the_round_ends(
    yard: Yard,
    lease: Database,
    redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
):
    async def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(sweep_store, "expired_any_tenant", fail)
    worker = yard.database("tq_worker", 1)
    try:
        async with leadership.lead(lease, PostgresContact()) as lead:
            assert lead is not None
            with pytest.raises(type(error)):
                await Sweeps(lead, worker, redis, PostgresContact()).tick()
    finally:
        await worker.close()


async def test_a_leader_whose_lease_has_ended_does_nothing_in_its_next_round(yard: Yard, redis: Redis):
    connection = await leadership.connect(role_url(yard.environment, "tq_dispatch"))
    worker = yard.database("tq_worker", 1)
    traces = await _leave_traces(yard)
    try:
        with pytest.raises(LeadLost):
            await Sweeps(Lead(connection, await yard.fence(), 0.0), worker, redis, PostgresContact()).tick()
    finally:
        await worker.close()
        with contextlib.suppress(OSError):
            await connection.close()
    assert tuple(await yard.owner.fetchrow(_TRACES, *traces)) == (3, 1, 1, 1)
