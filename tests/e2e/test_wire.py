"""Celery on Redis is the wire, and nothing but the wire."""

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
import redis
from celery import Celery

from app.broker.wiring import configure
from scripts.stack import embedded
from tests.conftest import Servers, Stack, Tenant, wait_until


def test_a_ticket_waits_in_the_tenants_queue_while_no_worker_runs(stack: Stack, servers: Servers, acme: Tenant):
    stack.stop("worker")
    stack.wait_for_workers(0)
    task_id = acme.submit(task="echo", payload=1)
    with redis.Redis.from_url(servers.valkey.url) as client:
        wait_until(lambda: client.llen(f"tenant.{acme.tenant_id}") > 0, "the ticket")
        assert acme.status(task_id)["waiting_reason"] == "NO_WORKER"
        # A ticket is a hint: lost, the dispatcher offers another; doubled, the second finds nothing to do.
        client.delete(f"tenant.{acme.tenant_id}")
        wait_until(lambda: client.llen(f"tenant.{acme.tenant_id}") > 0, "another ticket")
    stack.start_worker()
    stack.wait_for_workers(1)
    assert acme.result(task_id)["result"] == 1


def test_a_dedicated_worker_never_runs_another_tenants_task(stack: Stack, acme: Tenant, globex: Tenant):
    stack.stop("worker")
    stack.wait_for_workers(0)
    stack.start_worker("dedicated", "-Q", f"tenant.{acme.tenant_id}")
    stack.wait_for_workers(1)
    others, own = globex.submit(task="echo", payload="b"), acme.submit(task="echo", payload="a")
    assert acme.result(own)["result"] == "a"
    assert globex.status(others)["status"] == "PENDING"
    stack.start_worker()
    assert globex.result(others)["result"] == "b"
    stack.stop("dedicated")
    stack.wait_for_workers(1)


def test_a_task_accepted_while_redis_is_down_runs_when_it_is_back(
    stack: Stack, servers: Servers, make_tenant: Callable[..., Tenant]
):
    # A tenant of its own: no ticket of an earlier task is on its way to a worker.
    tenant = make_tenant("without-redis")
    embedded.kill(servers.valkey)
    task_id = tenant.submit(task="echo", payload="kept")
    assert httpx.get(f"{stack.url}/readyz").json()["status"] == "degraded"
    back_at = datetime.now(UTC)
    servers.valkey = embedded.start_valkey(servers.valkey.folder, port=servers.valkey.port)
    assert tenant.result(task_id)["result"] == "kept"
    assert datetime.fromisoformat(tenant.status(task_id)["started_at"]) > back_at


def test_nobody_commands_the_workers_through_redis(stack: Stack, servers: Servers, acme: Tenant):
    with configure(Celery("stranger"), servers.valkey.url) as stranger:
        stranger.control.broadcast("shutdown")
        assert stranger.control.ping(timeout=0.5) == []
    assert acme.result(acme.submit(task="echo", payload=1))["result"] == 1
    assert stack.processes["worker"].poll() is None


def test_a_paused_queue_starts_nothing(acme: Tenant, admin: Callable[..., subprocess.CompletedProcess[str]]):
    assert admin("queue", "pause", acme.slug).returncode == 0
    task_id = acme.submit(task="echo", payload=1)
    assert acme.status(task_id)["waiting_reason"] == "QUEUE_PAUSED"
    assert admin("queue", "resume", acme.slug).returncode == 0
    assert acme.result(task_id)["status"] == "SUCCESS"
