"""Cancelling a task that waits, runs or has ended."""

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import Servers, Tenant, wait_until

CANCELLED = {"type": "Cancelled", "message": "cancelled on request"}


def _cancel(tenant: Tenant, task_id: str) -> tuple[int, dict[str, Any]]:
    response = tenant.client.post(f"/api/tasks/{task_id}/cancel")
    return response.status_code, response.json()


def _start(tenant: Tenant, task: str, **payload: Any) -> str:
    task_id = tenant.submit(task=task, payload=payload)
    wait_until(lambda: tenant.status(task_id)["status"] == "STARTED", "the start")
    return task_id


def _seconds_to_end(tenant: Tenant, task_id: str, since: str) -> float:
    ended = datetime.fromisoformat(tenant.status(task_id)["finished_at"])
    return (ended - datetime.fromisoformat(since)).total_seconds()


def test_a_waiting_task_ends_revoked_at_once(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    assert _cancel(acme, task_id) == (200, {"task_id": task_id, "status": "REVOKED", "cancel_requested": True})
    ended = acme.result(task_id)
    assert (ended["status"], ended["error"]) == ("REVOKED", CANCELLED | {"attempt": 0})
    assert acme.client.get(f"/api/tasks/{task_id}").json()["attempts"] == []


def test_a_second_cancel_is_answered_like_the_first(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    assert _cancel(acme, task_id) == _cancel(acme, task_id)


def test_a_task_that_waits_for_its_next_attempt_ends_revoked(acme: Tenant):
    task_id = acme.submit(task="test.waits_long")
    wait_until(lambda: acme.status(task_id)["status"] == "RETRY", "the retry")
    assert _cancel(acme, task_id)[0] == 200
    assert acme.result(task_id)["error"] == CANCELLED | {"attempt": 1}


@pytest.mark.parametrize("task", ["long_task", "test.deaf"])
def test_a_running_task_stops_within_5_seconds(acme: Tenant, task: str):
    task_id = _start(acme, task, **({"seconds": 60, "steps": 200} if task == "long_task" else {}))
    asked_at = acme.client.get(f"/api/tasks/{task_id}").json()["started_at"]
    assert _cancel(acme, task_id) == (202, {"task_id": task_id, "status": "STARTED", "cancel_requested": True})
    assert acme.result(task_id)["status"] == "REVOKED"
    attempts = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [(a["attempt"], a["status"]) for a in attempts] == [(1, "REVOKED")]
    assert _seconds_to_end(acme, task_id, asked_at) < 6


def test_the_slot_of_a_cancelled_task_is_free_only_when_its_code_has_stopped(
    make_tenant: Callable[..., Tenant], admin: Callable[..., subprocess.CompletedProcess[str]]
):
    tenant = make_tenant("one-slot")
    assert admin("tenant", "set-limit", tenant.slug, "running=1").returncode == 0
    first = _start(tenant, "test.deaf")
    second = tenant.submit(task="echo", payload=2)
    assert tenant.status(second)["waiting_reason"] == "TENANT_CONCURRENCY"
    assert _cancel(tenant, first)[0] == 202
    assert tenant.status(second)["waiting_reason"] == "TENANT_CONCURRENCY"
    assert tenant.result(second)["result"] == 2
    assert tenant.status(second)["started_at"] >= tenant.status(first)["finished_at"]


def test_a_killed_attempt_takes_no_other_with_it(acme: Tenant, globex: Tenant):
    other = globex.submit(payload={"seconds": 4, "steps": 1})
    task_id = _start(acme, "test.deaf")
    _cancel(acme, task_id)
    assert acme.result(task_id)["status"] == "REVOKED"
    assert globex.result(other)["status"] == "SUCCESS"
    assert globex.status(other)["attempt"] == 1
    # The killed child's place is taken by another: both slots run, the last one for another tenant.
    both = [(tenant, tenant.submit(task="test.nap", payload={"a": 8, "b": 0})) for tenant in (acme, globex)]
    wait_until(lambda: all(tenant.status(task)["status"] == "STARTED" for tenant, task in both), "both slots")
    assert {tenant.result(task)["status"] for tenant, task in both} == {"SUCCESS"}


def test_what_code_returns_when_it_is_asked_to_end_is_kept(acme: Tenant):
    task_id = _start(acme, "test.returns_on_cancel")
    assert _cancel(acme, task_id)[0] == 202
    ended = acme.result(task_id)
    assert (ended["status"], ended["result"]) == ("SUCCESS", "so far")
    assert acme.status(task_id)["cancel_requested"] is True


def test_a_cancelled_task_whose_attempt_fails_gets_no_other(acme: Tenant):
    task_id = _start(acme, "test.fails_on_cancel")
    assert _cancel(acme, task_id)[0] == 202
    ended = acme.result(task_id)
    assert (ended["status"], ended["error"]) == ("REVOKED", CANCELLED | {"attempt": 1})
    (attempt,) = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert (attempt["status"], attempt["error"]["message"]) == ("FAILURE", "interrupted")


def test_code_cannot_revoke_a_task_that_nobody_cancelled(acme: Tenant):
    ended = acme.result(acme.submit(task="test.cancels_itself"))
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", "TaskCancelled")


@pytest.mark.parametrize(("task", "payload"), [("echo", 1), ("test.fails", {"a": 1, "b": 1})])
def test_an_ended_task_cannot_be_cancelled(acme: Tenant, task: str, payload: Any):
    task_id = acme.submit(task=task, payload=payload)
    ended = acme.result(task_id)
    status, problem = _cancel(acme, task_id)
    assert (status, problem["code"]) == (409, "illegal_state")
    assert acme.result(task_id) == ended


def test_another_tenants_task_cannot_be_cancelled_or_retried(acme: Tenant, globex: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    for call in ("cancel", "retry"):
        foreign = globex.client.post(f"/api/tasks/{task_id}/{call}")
        unknown = globex.client.post(f"/api/tasks/{uuid.uuid4()}/{call}")
        assert foreign.status_code == unknown.status_code == 404
        assert foreign.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}
    assert acme.status(task_id)["status"] == "PENDING"


def test_a_running_task_is_cancelled_while_redis_is_frozen(acme: Tenant, servers: Servers):
    task_id = _start(acme, "test.deaf")
    os.kill(servers.valkey.pid, signal.SIGSTOP)
    try:
        assert _cancel(acme, task_id)[0] == 202
        wait_until(lambda: acme.status(task_id)["status"] == "REVOKED", "the end", seconds=6)
    finally:
        os.kill(servers.valkey.pid, signal.SIGCONT)
    assert acme.result(acme.submit(task="echo", payload=1))["result"] == 1


def test_a_key_that_only_reads_cancels_and_retries_nothing(
    acme: Tenant, admin: Callable[..., subprocess.CompletedProcess[str]]
):
    issued = admin("key", "issue", acme.slug, "--name", "reader", "--scopes", "tasks:read", "--json")
    assert issued.returncode == 0, issued.stderr
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    key = json.loads(issued.stdout.splitlines()[-1])["api_key"]
    for call in ("cancel", "retry"):
        refused = acme.client.post(f"/api/tasks/{task_id}/{call}", headers={"Authorization": f"Bearer {key}"})
        assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")
