"""Limits in separate processes that meet on the edge: what is admitted is the limit exactly, whatever Redis does."""

import asyncio
import json
import os
import signal
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from redis.asyncio import Redis

from app.broker.ring import queue_name
from app.broker.tickets import DEFAULT_LIMIT
from app.db import connect
from app.dispatch.ledger import Ledger
from app.tasks.run.attempts import Outcome
from app.tasks.run.end import expire
from tests.claims import claim_for
from tests.conftest import ROOT, Servers, role_url
from tests.races.conftest import Yard, finish

PROCESSES = 6
EDGES = {"tasks_per_day": "daily_quota", "tasks_per_month": "monthly_quota", "backlog": "backlog_full"}

# Counters and what they count, in one snapshot.
_COUNTS = """
SELECT s.running, s.running_limit, coalesce(a.admitted, 0) + s.returned - s.departed AS waiting,
    (SELECT count(*) FROM attempt t WHERE t.tenant_id = s.tenant_id AND t.finished_at IS NULL) AS started,
    (SELECT count(*) FROM backlog b WHERE b.tenant_id = s.tenant_id) AS backlog
FROM tenant_slots s LEFT JOIN tenant_admitted a ON a.tenant_id = s.tenant_id WHERE s.tenant_id = $1
"""


@pytest.fixture
def settings(yard: Yard, servers: Servers) -> dict[str, str]:
    """The settings of a process that races: a database of Redis of its own."""
    return yard.environment | {"REDIS_URL": servers.valkey.url.removesuffix("/0") + "/6"}


@asynccontextmanager
async def _race(settings: dict[str, str], duties: list[dict[str, Any]]) -> AsyncIterator["asyncio.Task[Counter[str]]"]:
    """Start a process for each duty, let all begin at once, and yield what they will have done together."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.races.racer", json.dumps(duty),
            cwd=ROOT, env=os.environ | settings, stdin=PIPE, stdout=PIPE,
        )
        for duty in duties
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        yield asyncio.create_task(_begin(processes))
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _begin(processes: list[Process]) -> Counter[str]:
    total: Counter[str] = Counter()
    async with asyncio.timeout(60):
        for output, _ in await asyncio.gather(*(process.communicate(b"go\n") for process in processes)):
            total.update(json.loads(output))
    return total


async def _flush(servers: Servers, redis: Redis) -> None:
    for _ in range(5):
        await redis.flushdb()
        await asyncio.sleep(0.02)


async def _freeze(servers: Servers, redis: Redis) -> None:
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    await asyncio.sleep(0.6)
    os.kill(servers.valkey.pid, signal.SIGCONT)


async def _some_task(yard: Yard, tenant_id: UUID) -> None:
    async with asyncio.timeout(30):
        while not await yard.owner.fetchval("SELECT count(*) FROM task WHERE tenant_id = $1", tenant_id):  # noqa: ASYNC110
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("trouble", [_flush, _freeze])
async def test_six_processes_on_the_edge_admit_exactly_the_limit(
    yard: Yard, servers: Servers, settings: dict[str, str], trouble: Callable[..., Coroutine[Any, Any, None]]
):
    limit, asked = 150, 50
    edges = {str(await yard.tenant()): name for name in EDGES}
    rate = {"requests_per_second": 100_000, "burst": 100_000}
    tenants = {tenant_id: rate | {name: limit} for tenant_id, name in edges.items()}
    redis = Redis.from_url(settings["REDIS_URL"])
    try:
        duty = {"do": "submit", "tenants": tenants, "count": asked}
        async with _race(settings, [duty] * PROCESSES) as race:
            await _some_task(yard, UUID(next(iter(edges))))
            await trouble(servers, redis)
            happened = await race
    finally:
        await redis.aclose()
    await _check_admitted(yard, edges, happened, limit, PROCESSES * asked)


async def _check_admitted(yard: Yard, edges: dict[str, str], happened: Counter[str], limit: int, asked: int) -> None:
    for tenant_id, name in edges.items():
        assert happened[f"{tenant_id} accepted"] == limit
        assert happened[f"{tenant_id} {EDGES[name]}"] == asked - limit
        for counter in (
            "SELECT count(*) FROM task WHERE tenant_id = $1",
            "SELECT day_used FROM tenant_admitted WHERE tenant_id = $1",
            "SELECT sum(tasks) FROM usage_by_task WHERE tenant_id = $1",
            "SELECT admitted FROM tenant_admitted WHERE tenant_id = $1",
        ):
            assert await yard.owner.fetchval(counter, UUID(tenant_id)) == limit


async def test_batches_and_submits_of_six_processes_are_admitted_to_exactly_the_limit(
    yard: Yard, settings: dict[str, str]
):
    limit, batches, size, singles = 900, 12, 37, 60
    edges = {str(await yard.tenant()): name for name in EDGES}
    rate = {"requests_per_second": 100_000, "burst": 100_000}
    tenants = {tenant_id: rate | {name: limit} for tenant_id, name in edges.items()}
    duties = [{"do": "submit", "tenants": tenants, "count": batches, "batch": size}] * (PROCESSES - 1)
    async with _race(settings, [*duties, {"do": "submit", "tenants": tenants, "count": singles}]) as race:
        happened = await race
    await _check_admitted(yard, edges, happened, limit, (PROCESSES - 1) * batches * size + singles)


@pytest.mark.parametrize(
    ("count", "options", "tickets"),
    [
        (2, {}, 2),
        (500, {}, DEFAULT_LIMIT),
        (5, {"delay_seconds": 600}, 0),
        (2, {"delay_seconds": 0}, 2),
        # A time that has passed is as good as none.
        (2, {"scheduled_at": "2025-01-01T00:00:00Z"}, 2),
        (2, {"scheduled_at": (datetime.now(UTC) + timedelta(hours=1)).isoformat()}, 0),
    ],
)
async def test_a_batch_offers_a_few_tickets_for_what_is_due(
    yard: Yard, settings: dict[str, str], count: int, options: dict[str, Any], tickets: int
):
    tenant_id = await yard.tenant()
    duty = {"do": "submit", "tenants": {str(tenant_id): {}}, "count": 1, "batch": count, "options": options}
    async with _race(settings, [duty]) as race:
        assert await race == {f"{tenant_id} accepted": count}
    redis = Redis.from_url(settings["REDIS_URL"])
    try:
        assert await redis.llen(queue_name(tenant_id, "prefork")) == tickets  # type: ignore[misc]
    finally:
        await redis.aclose()


async def test_running_never_exceeds_its_limit_and_what_waits_is_what_is_counted(yard: Yard, settings: dict[str, str]):
    tenant_id = await yard.tenant(running_limit=3)
    tenants = {
        str(tenant_id): {"requests_per_second": -1, "backlog": 100_000, "tasks_per_day": -1, "tasks_per_month": -1}
    }
    duties: list[dict[str, Any]] = [
        {"do": "submit", "tenants": tenants, "count": 60},
        {"do": "submit", "tenants": tenants, "count": 30, "options": {"expires_seconds": 0.05}},
        *[{"do": "run", "tenant": str(tenant_id)}] * 4,
    ]
    seen, worker = [], yard.database("tq_worker", 1)
    try:
        async with _race(settings, duties) as race:
            while not race.done():
                seen.append(await yard.owner.fetchrow(_COUNTS, tenant_id))
                overdue = "SELECT task_id FROM backlog WHERE tenant_id = $1 AND expires_at < now()"
                for row in await yard.owner.fetch(overdue, tenant_id):
                    await expire(worker, tenant_id, [row["task_id"]])
            happened = await race
        while waiting := await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4(), limit=3):
            for claim in waiting:
                await finish(worker, claim, Outcome("SUCCESS", "SUCCESS"))
    finally:
        await worker.close()
    assert {"SUCCESS", "FAILURE", "RETRY", "PENDING", "cancelled REVOKED"} <= set(happened)
    assert max(row["running"] for row in seen) == 3
    assert all(row["running"] == row["started"] <= row["running_limit"] for row in seen)
    assert all(row["waiting"] == row["backlog"] for row in seen)
    assert max(row["backlog"] for row in seen) > 10
    ended = await yard.owner.fetchrow(_COUNTS, tenant_id)
    assert (ended["running"], ended["started"], ended["waiting"], ended["backlog"]) == (0, 0, 0, 0)
    unended = "SELECT count(*) FROM task WHERE tenant_id = $1 AND finished_at IS NULL"
    assert await yard.owner.fetchval(unended, tenant_id) == 0


async def test_what_attempts_took_is_added_to_their_day_once(yard: Yard):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 3)
    worker = yard.database("tq_worker", 1)
    finder = await connect(role_url(yard.environment, "tq_dispatch"))
    lead = await yard.lead(finder)
    try:
        outcomes = (
            Outcome("SUCCESS", "SUCCESS"),
            Outcome("PENDING", "RETURNED", delay_seconds=60),
            Outcome("PENDING", "LOST"),
        )
        for outcome in outcomes:
            [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
            await finish(worker, claim, outcome)
        await Ledger(lead).roll_up()
        assert await Ledger(lead).roll_up() == 0
    finally:
        await worker.close()
        await finder.close()
    [day] = await yard.owner.fetch("SELECT * FROM usage_by_task WHERE tenant_id = $1", tenant_id)
    took = await yard.owner.fetchval(
        "SELECT extract(epoch FROM finished_at - started_at)::float8 FROM attempt WHERE tenant_id = $1 AND status = 'SUCCESS'",
        tenant_id,
    )
    assert (day["task"], day["tasks"], day["attempts"]) == ("echo", 3, 1)
    assert day["worker_seconds"] == pytest.approx(took)


async def test_a_counter_that_is_off_is_made_what_the_rows_say(yard: Yard):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 4)
    worker = yard.database("tq_worker", 1)
    finder = await connect(role_url(yard.environment, "tq_dispatch"))
    lead = await yard.lead(finder)
    try:
        await Ledger(lead).reconcile()
        [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        assert await Ledger(lead).reconcile() == 0
        await yard.owner.execute(
            "UPDATE tenant_slots SET running = 7, departed = departed + 2 WHERE tenant_id = $1", tenant_id
        )
        assert await Ledger(lead).reconcile() == 1
        counts = await yard.owner.fetchrow(_COUNTS, tenant_id)
        assert (counts["running"], counts["waiting"]) == (1, 3)
        await finish(worker, claim, Outcome("SUCCESS", "SUCCESS"))
    finally:
        await worker.close()
        await finder.close()


async def test_the_upkeep_of_the_ledger_waits_for_nobody(yard: Yard):
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, 1)
    worker = yard.database("tq_worker", 1)
    finder = await connect(role_url(yard.environment, "tq_dispatch"))
    lead = await yard.lead(finder)
    try:
        [claim] = await claim_for(worker, tenant_id, pool="prefork", worker_id=uuid.uuid4())
        await finish(worker, claim, Outcome("SUCCESS", "SUCCESS"))
        async with asyncio.timeout(5), yard.owner.transaction():
            await yard.owner.execute("SELECT FROM usage_by_task WHERE tenant_id = $1 FOR UPDATE", tenant_id)
            assert await Ledger(lead).roll_up() == 0
        assert (await Ledger(lead).take_used())[tenant_id] >= 0
    finally:
        await worker.close()
        await finder.close()
