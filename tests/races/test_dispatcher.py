"""The dispatcher's rounds against a real database and a real Redis: what is lost is put back, and nobody is judged early."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from app.broker.ring import PREFORK, RINGS, queue_name
from app.db import connect
from app.dispatch.loop import Sweeps
from app.dispatch.postgres_contact import PostgresContact
from app.dispatch.reconciler import Reconciler
from tests.claims import claim_for
from tests.conftest import Servers, role_url
from tests.races.conftest import Yard


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    """A database of Redis of its own: no worker of the run serves it."""
    client = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/7")
    await client.flushdb()
    yield client
    await client.flushdb()
    await client.aclose()


@pytest.fixture
async def finder(yard: Yard) -> AsyncIterator["asyncpg.Connection[Any]"]:
    """A leader's connection."""
    connection = await connect(role_url(yard.environment, "tq_dispatch"))
    yield connection
    await connection.close()


async def test_a_tenant_without_a_ticket_is_offered_one(yard: Yard, redis: Redis, finder: Any):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 2)
    await Reconciler(finder, redis).reconcile()
    assert await redis.llen(queue_name(tenant_id, PREFORK)) == 1


async def test_a_tenant_that_has_fallen_out_of_line_gets_its_place_back(yard: Yard, redis: Redis, finder: Any):
    tenant_id, ring = await yard.tenant(), RINGS[PREFORK]
    await yard.tasks(tenant_id, 2)
    queue = queue_name(tenant_id, PREFORK)
    # As a worker leaves it that dies between its wait and its take: a member that has no place.
    await redis.lpush(queue, "ticket")
    await redis.sadd(ring.members, queue)
    await Reconciler(finder, redis).reconcile()
    assert queue.encode() in await redis.lrange(ring.order, 0, -1)


async def _orphan(yard: Yard) -> tuple[UUID, UUID]:
    """Leave an attempt whose worker was not heard for a minute."""
    tenant_id, worker_id = await yard.tenant(), uuid.uuid4()
    await yard.tasks(tenant_id, 1)
    worker = yard.database("tq_worker")
    try:
        [claim] = await claim_for(worker, tenant_id, pool=PREFORK, worker_id=worker_id)
    finally:
        await worker.close()
    await yard.owner.execute(
        "INSERT INTO worker (id, hostname, pool, slots, task_types, heartbeat_at)"
        " VALUES ($1, 'a', 'prefork', 1, '{}', now() - interval '1 minute')",
        worker_id,
    )
    return tenant_id, claim.task_id


@pytest.mark.parametrize(("seconds_of_contact", "expected"), [(0, "STARTED"), (12, "STARTED"), (16, "LOST")])
async def test_a_dispatcher_judges_workers_only_after_a_lease_of_contact(
    yard: Yard, redis: Redis, finder: Any, seconds_of_contact: int, expected: str
):
    _, task_id = await _orphan(yard)
    contact, now = PostgresContact(), await yard.owner.fetchval("SELECT now()")
    for ago in range(seconds_of_contact, 0, -2):
        contact.answered(now - timedelta(seconds=ago))
    worker = yard.database("tq_worker")
    try:
        await Sweeps(await yard.lead(finder), worker, redis, contact).tick()
    finally:
        await worker.close()
    status = await yard.owner.fetchval("SELECT status FROM attempt WHERE task_id = $1", task_id)
    assert status == expected
    await yard.owner.execute("UPDATE attempt SET finished_at = now() WHERE task_id = $1", task_id)


async def _contact_of_a_lease(yard: Yard) -> PostgresContact:
    contact, now = PostgresContact(), await yard.owner.fetchval("SELECT now()")
    for ago in range(16, 0, -2):
        contact.answered(now - timedelta(seconds=ago))
    return contact


@pytest.mark.parametrize(("lost_before", "is_cancelled", "status"), [(4, False, "FAILURE"), (0, True, "REVOKED")])
async def test_who_waits_for_a_task_that_ends_with_its_lost_attempt_is_woken(
    yard: Yard, redis: Redis, finder: Any, lost_before: int, is_cancelled: bool, status: str
):
    tenant_id, task_id = await _orphan(yard)
    await yard.owner.execute(
        "INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, deadline_at, finished_at)"
        " SELECT $1, $2, 100 + n, 'LOST', gen_random_uuid(), gen_random_uuid(), now(), now()"
        " FROM generate_series(1, $3) AS n",
        tenant_id, task_id, lost_before,
    )  # fmt: skip
    await yard.owner.execute(
        "UPDATE task SET cancel_requested_at = CASE WHEN $2 THEN now() END WHERE id = $1", task_id, is_cancelled
    )
    worker = yard.database("tq_worker")
    try:
        async with redis.pubsub() as heard, asyncio.timeout(10):
            await heard.subscribe("done")
            await Sweeps(await yard.lead(finder), worker, redis, await _contact_of_a_lease(yard)).tick()
            woken = b""
            while task_id.bytes not in woken:
                message = await heard.get_message(ignore_subscribe_messages=True, timeout=1)
                woken = message["data"] if message else b""
    finally:
        await worker.close()
    assert await yard.owner.fetchval("SELECT status FROM task WHERE id = $1", task_id) == status


async def test_what_is_past_its_time_is_deleted_in_each_round_while_there_is_much_of_it(
    yard: Yard, redis: Redis, finder: Any
):
    tenant_id = await yard.tenant()
    await yard.owner.execute(
        "INSERT INTO idempotency_key (tenant_id, key, fingerprint, task_id, created_at)"
        " SELECT $1, n::text, '', gen_random_uuid(), now() - n * interval '2 minutes' - interval '26 hours'"
        " FROM generate_series(1, 1200) AS n",
        tenant_id,
    )
    left = "SELECT count(*) FROM idempotency_key WHERE tenant_id = $1"
    worker = yard.database("tq_worker")
    try:
        rounds, counts = Sweeps(await yard.lead(finder), worker, redis, PostgresContact()), []
        for _ in range(3):
            await rounds.tick()
            counts.append(await yard.owner.fetchval(left, tenant_id))
    finally:
        await worker.close()
    assert counts == [700, 200, 0]


async def test_a_round_counts_submits_for_the_statistics(yard: Yard, redis: Redis, finder: Any):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 2)
    worker = yard.database("tq_worker")
    try:
        await Sweeps(await yard.lead(finder), worker, redis, PostgresContact()).tick()
    finally:
        await worker.close()
    counted = "SELECT submitted FROM stat WHERE tenant_id = $1 AND minutes = 1440"
    assert await yard.owner.fetchval(counted, tenant_id) == 2
