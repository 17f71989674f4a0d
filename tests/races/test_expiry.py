"""Tasks that were not started in time end soon, whatever other tenants have waiting."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from app.db import Database
from app.dispatch import due_tasks
from app.dispatch.due_tasks import DueTasks
from app.tasks.run.end import expire
from tests.conftest import role_url
from tests.races.conftest import Yard

_EXPIRE = "UPDATE backlog SET expires_at = now() - $2::interval WHERE tenant_id = $1"
_WAITING = "SELECT count(*) FROM backlog WHERE tenant_id = $1"


@pytest.fixture
async def worker(yard: Yard) -> AsyncIterator[Database]:
    made = yard.database("tq_worker", 1)
    yield made
    await made.close()


@pytest.fixture
async def dispatcher(yard: Yard) -> AsyncIterator["asyncpg.Connection[Any]"]:
    made = await asyncpg.connect(role_url(yard.environment, "tq_dispatch"))
    yield made
    await made.close()


async def _expired(yard: Yard, count: int, seconds: int) -> uuid.UUID:
    """Make a tenant with so many tasks that have expired some seconds ago."""
    tenant_id = await yard.tenant()
    await yard.tasks(tenant_id, count, delay_seconds=600.0, expires_seconds=60.0)
    await yard.owner.execute(_EXPIRE, tenant_id, timedelta(seconds=seconds))
    return tenant_id


async def test_a_tenant_with_many_expired_tasks_delays_no_other_tenants(yard: Yard, worker: Database, dispatcher: Any):
    await yard.owner.execute("DELETE FROM backlog WHERE expires_at IS NOT NULL")
    many = await _expired(yard, 2 * due_tasks._MAX_EXPIRED, seconds=60)
    later = [await _expired(yard, 1, seconds=1) for _ in range(3)]
    sweep = DueTasks(dispatcher, worker)
    ended = await sweep.end_expired()
    assert {tenant_id for tenant_id, _ in ended} == {many, *later}
    assert [await yard.owner.fetchval(_WAITING, tenant_id) for tenant_id in later] == [0, 0, 0]
    # The others follow.
    while await sweep.end_expired():
        pass
    assert await yard.owner.fetchval(_WAITING, many) == 0


async def test_every_tenant_has_its_turn_although_a_page_has_room_for_few(
    yard: Yard, worker: Database, dispatcher: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(due_tasks, "_MAX_TENANTS", 2)
    monkeypatch.setattr(due_tasks, "_MAX_EXPIRED", 4)
    await yard.owner.execute("DELETE FROM backlog WHERE expires_at IS NOT NULL")
    tenants = {await _expired(yard, 40, seconds=60) for _ in range(5)}
    sweep = DueTasks(dispatcher, worker)
    seen = [{tenant_id for tenant_id, _ in await sweep.end_expired()} for _ in range(3)]
    assert set.union(*seen) == tenants


async def test_of_the_tasks_named_only_those_that_wait_and_have_expired_end(yard: Yard, worker: Database):
    tenant_id = await yard.tenant()
    first, second, third = await yard.tasks(tenant_id, 3, expires_seconds=60.0)
    await yard.owner.execute("UPDATE backlog SET expires_at = now() WHERE task_id = ANY($1)", [first, third])
    assert {*await expire(worker, tenant_id, [third, uuid.uuid4(), second, first])} == {first, third}
    assert await expire(worker, tenant_id, [first, third]) == []
    statuses = await yard.owner.fetch("SELECT status FROM task WHERE tenant_id = $1 ORDER BY id", tenant_id)
    assert [row["status"] for row in statuses] == ["REVOKED", "PENDING", "REVOKED"]
    departed = await yard.owner.fetchval("SELECT departed FROM tenant_slots WHERE tenant_id = $1", tenant_id)
    assert departed == 2


async def test_a_task_that_cannot_end_keeps_no_other_waiting(
    yard: Yard, worker: Database, dispatcher: Any, caplog: pytest.LogCaptureFixture
):
    await yard.owner.execute("DELETE FROM backlog WHERE expires_at IS NOT NULL")
    poisoned, later = await _expired(yard, 3, seconds=60), await _expired(yard, 1, seconds=1)
    poison = await yard.owner.fetchval("SELECT task_id FROM backlog WHERE tenant_id = $1 LIMIT 1", poisoned)
    await yard.owner.execute(
        f"ALTER TABLE task ADD CONSTRAINT no_poison CHECK (id <> '{poison}' OR status = 'PENDING')"
    )
    try:
        ended = await DueTasks(dispatcher, worker).end_expired()
    finally:
        await yard.owner.execute("ALTER TABLE task DROP CONSTRAINT no_poison")
    assert sorted(tenant_id for tenant_id, _ in ended) == sorted([poisoned, poisoned, later])
    [line] = [record for record in caplog.records if record.message == "an expired task cannot be ended"]
    assert (line.__dict__["task_id"], line.__dict__["error"]) == (str(poison), "CheckViolationError")
