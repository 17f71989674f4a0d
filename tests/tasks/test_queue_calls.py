"""A tenant pauses and resumes its own queue; the operator's pause is another one, which it cannot end."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from redis import Redis

from app.audit import log as audit
from app.broker.ring import RINGS, queue_name
from app.core import ids
from tests.conftest import Stack, Tenant, wait_until


def _call(tenant: Tenant, what: str) -> tuple[int, dict[str, Any]]:
    answer = tenant.client.post(f"/api/queue/{what}")
    return answer.status_code, answer.json()


def _state(*paused_by: str) -> dict[str, Any]:
    return {"paused": bool(paused_by), "paused_by": list(paused_by)}


def _told(tenant: Tenant) -> Any:
    return tenant.client.get("/api/limits").json()["queue"]


def _reason(tenant: Tenant, task_id: str) -> Any:
    return tenant.status(task_id)["waiting_reason"]


def test_no_task_starts_while_the_tenant_has_paused_its_queue_and_all_do_after_it(
    acme: Tenant, make_tenant: Callable[..., Tenant]
):
    tenant = make_tenant("pauser")
    assert _told(tenant) == _state()
    assert _call(tenant, "pause") == (200, _state("tenant"))
    assert _told(tenant) == _state("tenant")
    waiting = [tenant.submit(task="echo", payload=number) for number in range(3)]
    # Another tenant's tasks run meanwhile.
    assert acme.result(acme.submit(task="echo", payload=1))["status"] == "SUCCESS"
    assert {tenant.status(task_id)["attempt"] for task_id in waiting} == {0}
    assert {_reason(tenant, task_id) for task_id in waiting} == {"QUEUE_PAUSED"}
    assert _call(tenant, "resume") == (200, _state())
    assert [tenant.result(task_id)["result"] for task_id in waiting] == [0, 1, 2]


def test_a_running_task_goes_on_when_its_queue_is_paused(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("pauser-runs")
    task_id = tenant.submit(task="long_task", payload={"seconds": 1, "steps": 2})
    wait_until(lambda: tenant.status(task_id)["status"] == "STARTED", "the start")
    assert _call(tenant, "pause") == (200, _state("tenant"))
    assert tenant.result(task_id)["status"] == "SUCCESS"


def test_neither_side_ends_the_other_ones_pause(admin: Callable[..., Any], make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("pauser-both")
    task_id = tenant.submit(task="echo", payload=1, delay_seconds=3600)
    admin("queue", "pause", tenant.slug).check_returncode()
    assert _call(tenant, "resume") == (200, _state("operator"))
    assert (_told(tenant), _reason(tenant, task_id)) == (_state("operator"), "QUEUE_PAUSED")
    assert _call(tenant, "pause") == (200, _state("tenant", "operator"))
    admin("queue", "resume", tenant.slug).check_returncode()
    assert (_told(tenant), _reason(tenant, task_id)) == (_state("tenant"), "QUEUE_PAUSED")
    assert _call(tenant, "resume") == (200, _state())
    assert _reason(tenant, task_id) == "SCHEDULED"


def test_each_change_is_audited_once_and_names_its_actor(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("pauser-audited")
    for what in ("pause", "pause", "resume", "resume"):
        assert _call(tenant, what)[0] == 200
    events = tenant.client.get("/api/audit").json()["items"]
    found = [(event["action"], event["actor_type"], event["object"]) for event in events if "queue" in event["action"]]
    assert found == [(f"queue.{did}", "api_key", tenant.slug) for did in ("resumed", "paused")]


def test_a_resume_offers_a_ticket_in_each_pool_at_once(quiet_stack: Stack, make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("pauser-tickets")
    queues = [queue_name(uuid.UUID(tenant.tenant_id), pool) for pool in RINGS]
    quiet_stack.stop("dispatcher")
    quiet_stack.stop("worker")
    try:
        _call(tenant, "pause")
        _call(tenant, "resume")
        with Redis.from_url(quiet_stack.environment["REDIS_URL"]) as redis:
            assert [redis.llen(queue) for queue in queues] == [1] * len(queues)
    finally:
        quiet_stack.start("dispatcher", "app.dispatch")
        quiet_stack.start_worker()
        quiet_stack.wait_for_workers(1)


@pytest.fixture
def full_day(environment: dict[str, str], make_tenant: Callable[..., Tenant]) -> Tenant:
    """A paused tenant that has made as many audited changes today as it may."""
    tenant = make_tenant("pauser-full")
    _call(tenant, "pause")
    asyncio.run(_fill(environment["DATABASE_URL"], uuid.UUID(tenant.tenant_id)))
    return tenant


async def _fill(url: str, tenant_id: uuid.UUID) -> None:
    owner = await asyncpg.connect(url)
    try:
        await owner.executemany(
            "INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)"
            " VALUES ($1, $2, 'api_key', 'k', 'key.issued', 'k')",
            [(ids.new_id(), tenant_id) for _ in range(audit.MAX_EVENTS_PER_DAY)],
        )
    finally:
        await owner.close()


def test_a_pause_is_refused_on_a_full_day_and_a_resume_never(full_day: Tenant):
    assert _call(full_day, "pause") == (200, _state("tenant"))
    assert _call(full_day, "resume") == (200, _state())
    status, problem = _call(full_day, "pause")
    assert (status, problem["code"]) == (409, "limit_reached")
    assert _told(full_day) == _state()
