"""Attempts that nobody runs any more are taken away, and their tasks run again."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from tests.conftest import Tenant, wait_until

Sql = Callable[..., list[asyncpg.Record]]

_FORGET = """
WITH another AS (
    INSERT INTO worker (id, hostname, pool, slots, task_types, heartbeat_at)
    VALUES (gen_random_uuid(), 'another', 'prefork', 1, '{}', now()) RETURNING id
)
UPDATE attempt SET worker_id = another.id, started_at = now() - interval '1 minute' FROM another
WHERE task_id = $1 AND finished_at IS NULL
"""


@pytest.fixture
def sql(environment: dict[str, str]) -> Iterator[Sql]:
    """Run a statement as the owner of the database."""
    with asyncio.Runner() as runner:
        owner = runner.run(asyncpg.connect(environment["DATABASE_URL"]))
        yield lambda text, *values: runner.run(owner.fetch(text, *values))
        runner.run(owner.close())


@pytest.fixture(autouse=True)
def contact(acme: Tenant, sql: Sql) -> None:
    """The dispatcher judges nobody before it has been in contact with Postgres for a lease."""
    wait_until(
        lambda: bool(sql("SELECT FROM tenant WHERE slug = 'acme' AND created_at < now() - interval '17 seconds'")),
        "a lease",
    )


def _start(tenant: Tenant, seconds: int, **options: Any) -> uuid.UUID:
    task_id = tenant.submit(task="test.sleep", payload={"a": seconds, "b": 0}, **options)
    wait_until(lambda: tenant.status(task_id)["status"] == "STARTED", "the start")
    return uuid.UUID(task_id)


def _attempts(tenant: Tenant, task_id: uuid.UUID) -> list[str]:
    return [attempt["status"] for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]]


def test_an_attempt_that_its_worker_does_not_know_is_lost_and_not_counted(acme: Tenant, sql: Sql):
    task_id = _start(acme, 3, max_attempts=1)
    sql(_FORGET, task_id)
    assert acme.result(str(task_id))["result"] == 2
    assert _attempts(acme, task_id) == ["LOST", "SUCCESS"]


def test_an_attempt_of_a_worker_that_died_before_the_clock_was_set_back_is_lost(acme: Tenant, sql: Sql):
    task_id = _start(acme, 3, max_attempts=1)
    # By the clock of now its last heartbeat, and the end of its deadline, are an hour ahead.
    sql(
        "WITH dead AS (INSERT INTO worker (id, hostname, pool, slots, task_types, claim_tokens, heartbeat_at)"
        " SELECT gen_random_uuid(), 'dead', 'prefork', 1, '{}', ARRAY[claim_token], now() + interval '1 hour'"
        " FROM attempt WHERE task_id = $1 AND finished_at IS NULL RETURNING id)"
        " UPDATE attempt SET worker_id = dead.id, started_at = now() + interval '1 hour',"
        " deadline_at = now() + interval '2 hours' FROM dead WHERE task_id = $1 AND finished_at IS NULL",
        task_id,
    )
    assert acme.result(str(task_id))["result"] == 2
    assert _attempts(acme, task_id) == ["LOST", "SUCCESS"]


def test_an_attempt_past_its_deadline_is_lost_whatever_its_worker_says(acme: Tenant, sql: Sql):
    task_id = _start(acme, 3)
    sql("UPDATE attempt SET deadline_at = now() - interval '1 second' WHERE task_id = $1", task_id)
    assert acme.result(str(task_id))["result"] == 2
    assert _attempts(acme, task_id) == ["LOST", "SUCCESS"]


def test_a_task_that_was_lost_five_times_ends(acme: Tenant, sql: Sql):
    task_id = uuid.UUID(acme.submit(task="test.sleep", payload={"a": 20, "b": 0}, delay_seconds=600))
    sql(
        "INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, deadline_at, finished_at)"
        " SELECT tenant_id, id, n, 'LOST', gen_random_uuid(), gen_random_uuid(), now(), now()"
        " FROM task, generate_series(1, 4) AS n WHERE id = $1",
        task_id,
    )
    sql("UPDATE task SET attempt = 4, due_at = now() WHERE id = $1", task_id)
    sql("UPDATE backlog SET due_at = now(), is_scheduled = false WHERE task_id = $1", task_id)
    wait_until(lambda: acme.status(str(task_id))["status"] == "STARTED", "the fifth attempt")
    sql(_FORGET, task_id)
    ended = acme.result(str(task_id))
    assert (ended["status"], ended["error"]["type"], ended["error"]["attempt"]) == ("FAILURE", "WorkerLost", 5)
    assert _attempts(acme, task_id) == ["LOST"] * 5


def test_no_slot_stays_taken(make_tenant: Callable[..., Tenant], sql: Sql):
    tenant = make_tenant("gives-slots-back")
    owner = uuid.UUID(tenant.tenant_id)

    def running() -> int:
        [slots] = sql("SELECT running FROM tenant_slots WHERE tenant_id = $1", owner)
        return int(slots["running"])

    # One that ends by itself, one that is taken away.
    ends, lost = _start(tenant, 2), _start(tenant, 2)
    assert running() > 0
    sql(_FORGET, lost)
    assert [tenant.result(str(task_id))["result"] for task_id in (ends, lost)] == [1, 2]
    wait_until(
        lambda: not sql("SELECT FROM attempt WHERE tenant_id = $1 AND finished_at IS NULL", owner),
        "the end of every attempt",
    )
    assert running() == 0


def test_ended_tasks_are_pruned_by_plan_and_a_task_scheduled_a_year_ahead_stays(
    make_tenant: Callable[..., Tenant], sql: Sql
):
    tenant = make_tenant("retained", plan="free")
    # Its result is large enough for a row of its own.
    recent = tenant.submit(task="echo", payload="a" * 3_000)
    tenant.result(recent)
    owner = uuid.UUID(tenant.tenant_id)
    old = "overlay(gen_random_uuid()::text placing left(partition_bound(now() - interval '{}')::text, 13) from 1)::uuid"
    columns = "tenant_id, id, task, pool, status, priority, payload, due_at, max_attempts, time_limit_seconds"
    values = f"$1, {old.format('8 days')}, 'echo', 'prefork', '{{}}', 4, '1', now(), 3, 60"
    sql(
        f"INSERT INTO task ({columns}, created_at, finished_at) SELECT {values.format('SUCCESS')},"
        " now() - interval '8 days', now() - interval '8 days' FROM generate_series(1, 1200)",
        owner,
    )
    sql(
        "INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, deadline_at, finished_at)"
        " SELECT tenant_id, id, 1, 'SUCCESS', gen_random_uuid(), gen_random_uuid(), now(), now() FROM task"
        " WHERE tenant_id = $1 AND finished_at < now() - interval '7 days'",
        owner,
    )
    sql(
        "INSERT INTO result (tenant_id, task_id, result) SELECT tenant_id, id, '1' FROM task"
        " WHERE tenant_id = $1 AND finished_at < now() - interval '7 days'",
        owner,
    )
    sql(
        "INSERT INTO task_log (tenant_id, task_id, attempt, seq, at, level, message)"
        " SELECT tenant_id, id, 1, 1, now(), 'INFO', 'm' FROM task WHERE tenant_id = $1",
        owner,
    )
    sql(
        f"INSERT INTO task ({columns}, created_at, scheduled_at) SELECT {values.format('PENDING')},"
        " now() - interval '8 days', now() + interval '350 days'",
        owner,
    )
    wait_until(lambda: len(sql("SELECT FROM task WHERE tenant_id = $1", owner)) == 2, "the pruning")
    for table in ("attempt", "result", "task_log"):
        rows = sql(f"SELECT task_id FROM {table} WHERE tenant_id = $1", owner)
        assert [str(row["task_id"]) for row in rows] == [recent]
    assert {row["status"] for row in sql("SELECT status FROM task WHERE tenant_id = $1", owner)} == {
        "PENDING",
        "SUCCESS",
    }
    assert tenant.result(recent)["result"] == "a" * 3_000
