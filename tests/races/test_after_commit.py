"""Whoever waits for a task is woken, however it ends; in tests/races/test_dispatcher.py by the dispatcher's rounds."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis

from app.broker.ring import PREFORK, queue_name
from app.tasks.run import cancellation, outcomes
from app.tasks.run.attempts import AttemptEnd, Claim, Outcome
from app.worker import finish_writer
from app.worker.executor import RunResult
from app.worker.finish_writer import FinishWriter
from tests.claims import claim_for
from tests.conftest import Servers
from tests.races.conftest import Yard


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    """A database of Redis of its own: no worker of the run serves it. Channels are of all databases."""
    client = Redis.from_url(servers.valkey.url.removesuffix("/0") + "/8")
    yield client
    await client.flushdb()
    await client.aclose()


async def _claim(yard: Yard, database: Any) -> Claim:
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 1)
    [claim] = await claim_for(database, tenant_id, pool=PREFORK, worker_id=uuid.uuid4())
    return claim


async def _in_its_process(runtime: Any, claim: Claim) -> None:
    await FinishWriter(runtime, lambda _: None).write(claim, RunResult(Outcome("SUCCESS", "SUCCESS"), None, 0.1))


async def _that_cannot_be_written(runtime: Any, claim: Claim) -> None:
    unusable = RunResult(Outcome("SUCCESS", "SUCCESS", result="NaN"), None, 0.1)
    await FinishWriter(runtime, lambda _: None).write(claim, unusable)


async def _from_outside(runtime: Any, claim: Claim) -> None:
    await finish_writer.write_from_outside(runtime, AttemptEnd(claim, outcomes.revoked()), pool=PREFORK)


@pytest.mark.parametrize(
    ("way", "status"),
    [(_in_its_process, "SUCCESS"), (_that_cannot_be_written, "FAILURE"), (_from_outside, "REVOKED")],
)
async def test_who_waits_for_a_task_is_woken_when_its_attempt_ends(
    yard: Yard, redis: Redis, way: Callable[[Any, Claim], Awaitable[None]], status: str
):
    database, spawned = yard.database("tq_worker"), []
    runtime = SimpleNamespace(
        database=database, redis=redis, spawn=lambda work: spawned.append(asyncio.ensure_future(work))
    )
    claim = await _claim(yard, database)
    try:
        async with redis.pubsub() as heard, asyncio.timeout(10):
            await heard.subscribe("done")
            await way(runtime, claim)
            await _hear(heard, claim.task_id)
        await asyncio.gather(*spawned)
    finally:
        await database.close()
    assert await yard.owner.fetchval("SELECT status FROM task WHERE id = $1", claim.task_id) == status


async def test_who_waits_for_a_waiting_task_is_woken_when_it_is_cancelled(yard: Yard, redis: Redis):
    tenant_id, api = await yard.tenant(), yard.database("tq_api")
    [task_id] = await yard.tasks(tenant_id, 1)
    try:
        async with redis.pubsub() as heard, asyncio.timeout(10):
            await heard.subscribe("done")
            assert await cancellation.cancel(api, redis, tenant_id, task_id) == "REVOKED"
            await _hear(heard, task_id)
    finally:
        await api.close()


async def test_a_worker_is_woken_when_its_task_is_cancelled(yard: Yard, redis: Redis):
    worker, api = yard.database("tq_worker"), yard.database("tq_api")
    claim = await _claim(yard, worker)
    try:
        async with redis.pubsub() as heard, asyncio.timeout(10):
            await heard.subscribe("cancel")
            assert await cancellation.cancel(api, redis, claim.tenant_id, claim.task_id) == "STARTED"
            await _hear(heard, claim.task_id, str(claim.task_id).encode())
    finally:
        await worker.close()
        await api.close()


async def _hear(heard: Any, task_id: uuid.UUID, wanted: bytes | None = None) -> None:
    woken = b""
    while (wanted or task_id.bytes) not in woken:
        message = await heard.get_message(ignore_subscribe_messages=True, timeout=1)
        woken = message["data"] if message else b""


async def test_an_attempt_that_was_given_back_from_outside_has_a_ticket_again(yard: Yard, redis: Redis):
    database = yard.database("tq_worker")
    claim = await _claim(yard, database)
    runtime: Any = SimpleNamespace(database=database, redis=redis)
    try:
        await finish_writer.write_from_outside(runtime, AttemptEnd(claim, outcomes.returned(0)), pool=PREFORK)
    finally:
        await database.close()
    assert await redis.llen(queue_name(claim.tenant_id, PREFORK)) == 1
