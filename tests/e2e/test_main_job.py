"""A task from submit to result, through every part."""

from typing import Any

import pytest

from tests.conftest import Tenant, wait_until


def test_an_empty_submit_runs_a_long_task(acme: Tenant):
    response = acme.client.post("/api/tasks/submit", json={})
    assert response.status_code == 202
    task_id = response.json()["task_id"]
    assert response.headers["Location"] == f"/api/tasks/{task_id}"
    pending = acme.client.get(f"/api/tasks/{task_id}/result")
    assert pending.status_code == 202
    assert pending.json()["detail"] == "Result not available yet"
    assert "Retry-After" in pending.headers
    wait_until(lambda: acme.status(task_id)["progress"] is not None, "progress")
    assert acme.result(task_id)["result"] == {"seconds": 5, "steps": 10, "value": None}


@pytest.mark.parametrize("payload", [{"a": [1, None, "ä"]}, None, [], "text", 1.5])
def test_echo_returns_any_payload(acme: Tenant, payload: Any):
    ended = acme.result(acme.submit(task="echo", payload=payload))
    assert (ended["status"], ended["result"]) == ("SUCCESS", payload)


def test_an_async_task_type_of_the_operators_own_runs(acme: Tenant):
    assert acme.result(acme.submit(task="test.add", payload={"a": 2, "b": 3}))["result"] == 5


def test_a_task_that_fails_twice_succeeds_in_its_third_attempt(acme: Tenant):
    task_id = acme.submit(payload={"seconds": 0, "steps": 1, "fail_attempts": 2})
    assert acme.result(task_id)["status"] == "SUCCESS"
    attempts = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [(a["attempt"], a["status"]) for a in attempts] == [(1, "FAILURE"), (2, "FAILURE"), (3, "SUCCESS")]
    assert attempts[0]["error"]["type"] == "SimulatedFailure"


def test_a_task_that_always_fails_ends_after_max_attempts(acme: Tenant):
    ended = acme.result(acme.submit(payload={"seconds": 0, "fail_attempts": 9}, max_attempts=2))
    assert ended["status"] == "FAILURE"
    assert ended["error"]["attempt"] == 2


def test_an_error_that_is_not_to_be_retried_ends_the_task_at_once(acme: Tenant):
    ended = acme.result(acme.submit(task="test.fails", payload={"a": 1, "b": 1}))
    assert ended["error"] == {"type": "ValueError", "message": "for good", "attempt": 1}


def test_a_result_that_is_not_json_fails_its_task_alone(acme: Tenant):
    ended = acme.result(acme.submit(task="test.not_json", payload={"a": 1, "b": 1}))
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", "UnusableResult")
    assert acme.result(acme.submit(task="echo", payload=1))["result"] == 1


def test_code_that_exits_does_not_end_the_worker(acme: Tenant):
    ended = acme.result(acme.submit(task="test.exit", payload={"a": 1, "b": 1}))
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", "TaskCrashed")
    assert acme.result(acme.submit(task="echo", payload=2))["result"] == 2


def test_a_scheduled_task_waits_until_it_is_due(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=1.5)
    assert acme.status(task_id)["waiting_reason"] == "SCHEDULED"
    assert acme.result(task_id)["status"] == "SUCCESS"
    status = acme.status(task_id)
    assert status["started_at"] >= status["due_at"] > status["created_at"]


def test_a_task_that_is_not_started_in_time_ends_revoked(acme: Tenant):
    ended = acme.result(acme.submit(task="echo", payload=1, delay_seconds=60, expires_seconds=0.5))
    assert (ended["status"], ended["error"]["type"]) == ("REVOKED", "Expired")


def test_an_attempt_ends_at_its_time_limit(acme: Tenant):
    ended = acme.result(acme.submit(payload={"seconds": 60, "steps": 1}, timeout_seconds=0.5, max_attempts=1))
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", "SoftTimeLimitExceeded")


def test_a_health_check_needs_no_key(acme: Tenant):
    for path in ("/healthz", "/readyz"):
        assert acme.client.get(path, headers={"Authorization": ""}).status_code == 200
