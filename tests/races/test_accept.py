"""``accept`` and the statements that go with its tasks: all of it is committed, or none."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from redis.asyncio import Redis

from app.core import redis as redis_connections
from app.db import Database
from app.quotas.schemas import Grant
from app.tasks.submit.accept import Acceptor
from app.tasks.submit.decision import Accepted, Refused
from app.tasks.submit.new_tasks import Idempotency, Statement, TaskSpecs
from app.tenants import plans
from tests.conftest import Servers
from tests.races.conftest import Yard, new_task

_KEY = "INSERT INTO idempotency_key (tenant_id, key, fingerprint, task_id) VALUES ($1, $2, $3, $4)"
_FREE = plans.PLANS["free"]


@pytest.fixture
async def redis(servers: Servers) -> AsyncIterator[Redis]:
    made = redis_connections.connect(servers.valkey.url.removesuffix("/0") + "/6")
    yield made
    await made.aclose()


@pytest.fixture
async def acceptor(yard: Yard, redis: Redis) -> AsyncIterator[Acceptor]:
    databases: list[Database] = [yard.database("tq_submit", 2), yard.database("tq_api", 2)]
    made = Acceptor(*databases, redis)
    yield made
    await made.close()
    for database in databases:
        await database.close()


def _specs(tenant_id: UUID, count: int = 1, limits: plans.Limits = _FREE) -> TaskSpecs:
    return TaskSpecs(tenant_id, limits, [new_task(tenant_id) for _ in range(count)])


def _mark(specs: TaskSpecs, name: str, *, runs_first: bool = False) -> Statement:
    """Return a statement that leaves a row: a key that nothing looks for."""
    return Statement(_KEY, (specs.tenant_id, name, b"mark", specs.tasks[0].id), runs_first)


async def _left(yard: Yard, tenant_id: UUID) -> tuple[int, set[str], int]:
    """Return the stored tasks, the keys, and what is used of the day."""
    tasks = await yard.owner.fetchval("SELECT count(*) FROM task WHERE tenant_id = $1", tenant_id)
    rows = await yard.owner.fetch("SELECT key FROM idempotency_key WHERE tenant_id = $1", tenant_id)
    used = await yard.owner.fetchval("SELECT day_used FROM tenant_admitted WHERE tenant_id = $1", tenant_id)
    return tasks, {row["key"] for row in rows}, used or 0


async def test_tasks_and_statements_are_committed_together(yard: Yard, acceptor: Acceptor):
    specs = _specs(await yard.tenant(), 3)
    also = [_mark(specs, "first", runs_first=True), _mark(specs, "last")]
    decided = await acceptor.accept(specs, also=also)
    assert isinstance(decided, Accepted)
    assert decided.task_ids == [task.id for task in specs.tasks]
    assert decided.grant is not None
    assert decided.grant.day_used == 3
    assert await _left(yard, specs.tenant_id) == (3, {"first", "last"}, 3)


@pytest.mark.parametrize("runs_first", [True, False])
async def test_a_statement_that_fails_rolls_the_tasks_back(yard: Yard, acceptor: Acceptor, *, runs_first: bool):
    specs = _specs(await yard.tenant(), 3)
    also = [_mark(specs, "mark"), Statement("SELECT 1 / $1::integer", (0,), runs_first)]
    with pytest.raises(asyncpg.DivisionByZeroError):
        await acceptor.accept(specs, Idempotency("key", b"body"), also)
    assert await _left(yard, specs.tenant_id) == (0, set(), 0)


async def test_tasks_that_are_not_all_granted_roll_the_statements_back(yard: Yard, acceptor: Acceptor):
    tenant_id = await yard.tenant()
    limits = plans.effective("free", {"tasks_per_day": 2})
    specs = _specs(tenant_id, 3, limits)
    decided = await acceptor.accept(specs, Idempotency("key", b"body"), [_mark(specs, "mark")])
    assert isinstance(decided, Refused)
    assert (decided.policy, decided.tasks) == ("day", 3)
    assert isinstance(decided.grant, Grant)
    assert (decided.grant.day_used, decided.grant.month_used, decided.grant.waiting) == (0, 0, 0)
    assert await _left(yard, tenant_id) == (0, set(), 0)


async def test_a_replay_executes_no_statement_again(yard: Yard, acceptor: Acceptor):
    tenant_id, key = await yard.tenant(), Idempotency("key", b"body")
    first, again = _specs(tenant_id, 2), _specs(tenant_id, 2)
    accepted = await acceptor.accept(first, key, [_mark(first, "once")])
    replay = await acceptor.accept(again, key, [_mark(again, "twice")])
    assert isinstance(accepted, Accepted)
    assert isinstance(replay, Accepted)
    assert (replay.task_ids, replay.is_replay, accepted.is_replay) == (accepted.task_ids, True, False)
    assert await _left(yard, tenant_id) == (2, {"key", "once"}, 2)


async def test_a_caller_who_goes_cancels_no_transaction_of_its_own(yard: Yard, acceptor: Acceptor):
    specs = _specs(await yard.tenant())
    async with yard.owner.transaction():
        await yard.owner.execute("SELECT FROM tenant_admitted WHERE tenant_id = $1 FOR UPDATE", specs.tenant_id)
        asked = asyncio.create_task(acceptor.accept(specs, also=[_mark(specs, "mark")]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.wait([asked])
    await acceptor.close()
    assert await _left(yard, specs.tenant_id) == (1, {"mark"}, 1)
