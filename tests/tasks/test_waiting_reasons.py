"""Why a task waits: each reason as a caller reads it, and which one is told where several hold."""

import asyncio
import subprocess
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import asyncpg
import pytest

from tests.conftest import Tenant, wait_until

Sql = Callable[..., list[asyncpg.Record]]
Admin = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def sql(environment: dict[str, str]) -> Iterator[Sql]:
    """Run a statement as the owner of the database."""
    with asyncio.Runner() as runner:
        owner = runner.run(asyncpg.connect(environment["DATABASE_URL"]))
        yield lambda text, *values: runner.run(owner.fetch(text, *values))
        runner.run(owner.close())


@pytest.fixture
def asyncio_worker(sql: Sql) -> Iterator[Callable[[], None]]:
    """Return what lets a worker of the asyncio pool be alive; nothing runs there."""
    worker_id = uuid.uuid4()

    def live() -> None:
        sql(
            "INSERT INTO worker (id, hostname, pool, slots, task_types, heartbeat_at)"
            " VALUES ($1, 'h', 'asyncio', 1, '{test.io.limited}', now())"
            " ON CONFLICT (id) DO UPDATE SET heartbeat_at = now()",
            worker_id,
        )

    yield live
    sql("DELETE FROM worker WHERE id = $1", worker_id)


def _reason(tenant: Tenant, task_id: str) -> Any:
    """Return the reason that the status tells, which is the one that the whole task tells."""
    detail = tenant.client.get(f"/api/tasks/{task_id}").json()
    assert tenant.status(task_id)["waiting_reason"] == detail["waiting_reason"]
    return detail["waiting_reason"]


def test_a_waiting_task_tells_what_it_waits_for(
    make_tenant: Callable[..., Tenant], admin: Admin, sql: Sql, asyncio_worker: Callable[[], None]
):
    tenant = make_tenant("waits-for")
    owner = uuid.UUID(tenant.tenant_id)
    due = tenant.submit(task="test.io.limited")
    scheduled = tenant.submit(task="test.io.limited", delay_seconds=600)
    failed = tenant.submit(task="test.waits_long")
    wait_until(lambda: tenant.status(failed)["status"] == "RETRY", "the first failure")
    waiting = (due, scheduled, failed)

    def reasons() -> list[Any]:
        return [_reason(tenant, task_id) for task_id in waiting]

    assert reasons() == ["NO_WORKER", "SCHEDULED", "RETRY_BACKOFF"]
    asyncio_worker()
    assert reasons() == ["QUEUED", "SCHEDULED", "RETRY_BACKOFF"]
    details = [tenant.client.get(f"/api/tasks/{task_id}").json() for task_id in waiting]
    assert [detail["position"] for detail in details] == [1, None, None]
    # One attempt has ended so far, which is one in five minutes.
    assert [detail["estimated_start_at"] is None for detail in details] == [False, True, True]
    sql("UPDATE tenant_slots SET running_limit = 0 WHERE tenant_id = $1", owner)
    # A free slot does not help a task whose time has not come.
    assert reasons() == ["TENANT_CONCURRENCY", "SCHEDULED", "RETRY_BACKOFF"]
    assert admin("queue", "pause", tenant.slug).returncode == 0
    assert reasons() == ["QUEUE_PAUSED"] * 3
    for task_id in waiting:
        assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200
    assert reasons() == [None] * 3


def test_a_task_that_runs_or_has_ended_tells_no_reason(make_tenant: Callable[..., Tenant], admin: Admin):
    tenant = make_tenant("waits-for-nothing")
    task_id = tenant.submit(task="test.returns_on_cancel")
    wait_until(lambda: tenant.status(task_id)["status"] == "STARTED", "the start")
    assert admin("queue", "pause", tenant.slug).returncode == 0
    assert _reason(tenant, task_id) is None
    assert tenant.client.post(f"/api/tasks/{task_id}/cancel").status_code == 202
    assert tenant.result(task_id)["result"] == "so far"
    assert _reason(tenant, task_id) is None
