"""Attempts that follow a failed one, and tasks that are run again on request."""

from collections.abc import Callable
from datetime import datetime
from itertools import pairwise

from tests.conftest import Tenant


def test_the_delays_between_attempts_grow(acme: Tenant):
    task_id = acme.submit(task="test.grows")
    assert acme.result(task_id)["result"] == 3
    attempts = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [attempt["status"] for attempt in attempts] == ["FAILURE", "FAILURE", "SUCCESS"]
    gaps = [
        datetime.fromisoformat(after["started_at"]) - datetime.fromisoformat(before["finished_at"])
        for before, after in pairwise(attempts)
    ]
    assert gaps[0].total_seconds() >= 0.2
    assert gaps[1].total_seconds() >= 0.4


def test_an_ended_task_is_run_again_as_another(acme: Tenant):
    asked = {"task": "echo", "payload": {"a": 1}, "priority": 7, "tags": ["again"], "max_attempts": 2}
    first = acme.submit(**asked)
    acme.result(first)
    response = acme.client.post(f"/api/tasks/{first}/retry")
    assert response.status_code == 202
    second = response.json()["task_id"]
    assert response.json() == {"task_id": second, "status": "PENDING", "retry_of": first}
    assert response.headers["Location"] == f"/api/tasks/{second}"
    assert second != first
    assert acme.result(second)["result"] == {"a": 1}
    detail = acme.client.get(f"/api/tasks/{second}").json()
    assert {name: detail[name] for name in asked} == asked
    assert detail["retry_of"] == first


def test_a_revoked_task_that_was_scheduled_is_run_at_once(acme: Tenant):
    first = acme.submit(task="echo", payload="now", delay_seconds=600, expires_seconds=0.2)
    assert acme.result(first)["error"]["type"] == "Expired"
    second = acme.client.post(f"/api/tasks/{first}/retry").json()["task_id"]
    assert acme.result(second)["result"] == "now"


def test_a_task_that_has_not_ended_cannot_be_retried(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=600)
    refused = acme.client.post(f"/api/tasks/{task_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")


def test_a_retry_counts_against_the_quota(make_tenant: Callable[..., Tenant], admin: Callable[..., object]):
    tenant = make_tenant("retrying", plan="free")
    admin("tenant", "set-limit", tenant.slug, "tasks_per_day=1")
    task_id = tenant.submit(task="echo", payload=1)
    tenant.result(task_id)
    refused = tenant.client.post(f"/api/tasks/{task_id}/retry")
    assert (refused.status_code, refused.json()["code"]) == (429, "daily_quota")


def test_a_retry_sent_again_with_its_idempotency_key_is_one_task(acme: Tenant):
    ended = [acme.submit(task="echo", payload=n) for n in range(2)]
    for task_id in ended:
        acme.result(task_id)
    headers = {"Idempotency-Key": "again-1"}
    first, second = (acme.client.post(f"/api/tasks/{ended[0]}/retry", headers=headers) for _ in range(2))
    assert (first.status_code, second.status_code) == (202, 200)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json()["task_id"] == second.json()["task_id"]
    other = acme.client.post(f"/api/tasks/{ended[1]}/retry", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
