"""What Postgres claims for a worker that waits no more for the answer is given back, and runs again at once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.broker.ring import queue_name
from app.core.errors import Unavailable
from app.db import Database
from app.tasks.run.claim import UnansweredClaim, claim_each, taken_by
from app.tasks.run.timing import WORKER_DEAD_AFTER
from app.worker import unanswered_claims
from tests.claims import claim_for
from tests.conftest import Servers, role_url
from tests.races.conftest import Yard

_WAITING = "SELECT count(*) FROM backlog WHERE tenant_id = $1"
_CLAIMING = (
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tq_worker' AND datname = 'races'"
    " AND query LIKE '%tasks_claim%' AND wait_event_type = 'Lock'"
)


@pytest.fixture
async def worker(yard: Yard) -> AsyncIterator[Database]:
    """A worker's pool that waits for an answer for half a second."""
    made = Database("tq_worker", size=2, url=role_url(yard.environment, "tq_worker"), command_timeout=0.5)
    yield made
    await made.close()


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    client = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/9")
    await client.flushdb()
    yield client
    await client.flushdb()
    await client.aclose()


async def _claim_without_answer(worker: Database, tenant_id: UUID, worker_id: UUID) -> UnansweredClaim:
    """Claim while another transaction holds the tenant's slots, until the worker gives up."""
    unanswered: list[UnansweredClaim] = []
    with pytest.raises(Unavailable):
        await claim_each(worker, {tenant_id: 2}, pool="prefork", worker_id=worker_id, on_unanswered=unanswered.append)
    [claim] = unanswered
    return claim


async def _attempts(yard: Yard, tenant_id: UUID) -> list[tuple[Any, ...]]:
    rows = await yard.owner.fetch(
        "SELECT a.status, k.status AS task, k.attempt FROM attempt a JOIN task k ON k.id = a.task_id"
        " WHERE a.tenant_id = $1 ORDER BY a.task_id",
        tenant_id,
    )
    return [tuple(row) for row in rows]


async def test_attempts_that_begin_after_the_worker_gave_up_are_given_back(yard: Yard, worker: Database, redis: Redis):
    tenant_id, worker_id = await yard.tenant(running_limit=5), uuid.uuid4()
    await yard.tasks(tenant_id, 3)
    async with yard.owner.transaction():
        # The claim waits for the slots, as it would wait for a server that stands still.
        await yard.owner.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", tenant_id)
        claim = await _claim_without_answer(worker, tenant_id, worker_id)
        giving_back = asyncio.create_task(unanswered_claims.give_back(worker, redis, claim, pool="prefork"))
        # Postgres answers another connection, and has not completed the claim.
        assert await taken_by(worker, claim) == []
        assert await yard.owner.fetchval(_CLAIMING) == 1
    async with asyncio.timeout(10):
        await giving_back
    assert await _attempts(yard, tenant_id) == [("RETURNED", "PENDING", 1)] * 2
    assert await yard.owner.fetchval(_WAITING, tenant_id) == 3
    assert await yard.owner.fetchval("SELECT running FROM tenant_slots WHERE tenant_id = $1", tenant_id) == 0
    # Other workers are told at once.
    assert await redis.llen(queue_name(tenant_id, "prefork")) > 0


async def test_attempts_of_other_claims_of_the_same_worker_are_left_alone(yard: Yard, worker: Database):
    tenant_id, worker_id = await yard.tenant(), uuid.uuid4()
    await yard.tasks(tenant_id, 3)
    [known] = await claim_for(worker, tenant_id, pool="prefork", worker_id=worker_id)
    async with yard.owner.transaction():
        await yard.owner.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", tenant_id)
        claim = await _claim_without_answer(worker, tenant_id, worker_id)
    async with asyncio.timeout(10):
        while not (taken := await taken_by(worker, claim)):  # noqa: ASYNC110 the server's state
            await asyncio.sleep(0.02)
    assert len(taken) == 2
    assert known.task_id not in {attempt.task_id for attempt in taken}
    assert len({attempt.claim_token for attempt in taken}) == 2


async def test_a_claim_that_was_never_sent_leaves_nothing_to_look_for(yard: Yard):
    nowhere = Database("tq_worker", size=1, url="postgresql://tq_worker@127.0.0.1:1/races")
    unanswered: list[UnansweredClaim] = []
    with pytest.raises(Unavailable):
        await claim_each(
            nowhere, {uuid.uuid4(): 1}, pool="prefork", worker_id=uuid.uuid4(), on_unanswered=unanswered.append
        )
    assert unanswered == []


async def test_the_looks_end_when_the_claim_was_never_completed(
    yard: Yard, worker: Database, redis: Redis, monkeypatch: pytest.MonkeyPatch
):
    assert WORKER_DEAD_AFTER > unanswered_claims._INTERVAL
    monkeypatch.setattr(unanswered_claims, "WORKER_DEAD_AFTER", 0.1)
    claim = UnansweredClaim((await yard.tenant(),), uuid.uuid4(), uuid.uuid4())
    async with asyncio.timeout(10):
        await unanswered_claims.give_back(worker, redis, claim, pool="prefork")
