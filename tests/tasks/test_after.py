"""A submit may wait for other tasks: ``after``."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from tests.conftest import Tenant, wait_until


def _failing(tenant: Tenant, **options: Any) -> str:
    return tenant.submit(task="long_task", payload={"seconds": 0, "fail_attempts": 1}, max_attempts=1, **options)


def _later(tenant: Tenant, **options: Any) -> str:
    """Submit a task that waits for its time, so that others wait for it."""
    return tenant.submit(task="echo", payload=1, delay_seconds=600, **options)


def _run_now(tenant: Tenant, task_id: str) -> None:
    response = tenant.client.patch(f"/api/tasks/{task_id}", json={"scheduled_at": None})
    assert response.status_code == 200, response.text


def _refused(tenant: Tenant, **body: Any) -> Any:
    response = tenant.client.post("/api/tasks/submit", json={"task": "echo", "payload": 1} | body)
    assert response.status_code == 422, response.text
    return response.json()["errors"]


def test_a_task_starts_when_those_that_it_waits_for_have_succeeded(acme: Tenant):
    first, second = _later(acme), _later(acme)
    last = acme.submit(task="echo", payload="last", after=[first, {"task_id": second, "when": "finished"}])
    status = acme.status(last)
    assert (status["status"], status["waiting_reason"]) == ("PENDING", "DEPENDENCIES")
    detail = acme.client.get(f"/api/tasks/{last}").json()
    assert detail["blocked_by"] == [first, second]
    assert detail["position"] is None
    _run_now(acme, first)
    acme.result(first)
    assert acme.client.get(f"/api/tasks/{last}").json()["blocked_by"] == [second]
    acme.client.post(f"/api/tasks/{second}/cancel").raise_for_status()
    assert acme.result(last)["result"] == "last"
    detail = acme.client.get(f"/api/tasks/{last}").json()
    assert (detail["blocked_by"], detail["waiting_reason"]) == ([], None)
    # Its wait for a worker began when it was free, not when it was submitted.
    assert detail["due_at"] > detail["created_at"]


def test_a_chain_runs_without_waiting_for_a_look_of_the_dispatcher(acme: Tenant):
    first = last = _later(acme)
    for _ in range(10):
        last = acme.submit(task="echo", payload=1, after=[last])
    _run_now(acme, first)
    acme.result(last)
    started, ended = (acme.status(task_id)["finished_at"] for task_id in (first, last))
    # With one look for each of the ten links it would take 15 s.
    assert (datetime.fromisoformat(ended) - datetime.fromisoformat(started)).total_seconds() < 8


def test_a_failure_ends_what_needs_success_and_starts_what_needs_failure(acme: Tenant):
    first = _later(acme)
    doomed = acme.submit(task="echo", payload=1, after=[first])
    further = acme.submit(task="echo", payload=1, after=[doomed])
    handler = acme.submit(task="echo", payload="handled", after=[{"task_id": first, "when": "failure"}])
    acme.client.post(f"/api/tasks/{first}/cancel").raise_for_status()
    for task_id, cause in ((doomed, first), (further, doomed)):
        ended = acme.result(task_id)
        assert (ended["status"], ended["error"]["type"]) == ("REVOKED", "DependencyFailed")
        assert cause in ended["error"]["message"]
        assert acme.client.get(f"/api/tasks/{task_id}").json()["attempts"] == []
    assert acme.result(handler)["result"] == "handled"


def test_what_has_ended_before_counts_at_once(acme: Tenant):
    done, failed = acme.submit(task="echo", payload=1), _failing(acme)
    acme.result(done)
    assert acme.result(failed)["status"] == "FAILURE"
    assert acme.result(acme.submit(task="echo", payload=2, after=[done]))["status"] == "SUCCESS"
    assert acme.result(acme.submit(task="echo", payload=2, after=[done, failed]))["status"] == "REVOKED"
    handler = acme.submit(task="echo", payload=2, after=[done, {"task_id": failed, "when": "failure"}])
    assert acme.result(handler)["status"] == "SUCCESS"


def test_a_held_task_can_be_cancelled_and_changed(acme: Tenant):
    first = _later(acme)
    held = acme.submit(task="echo", payload=1, after=[first])
    further = acme.submit(task="echo", payload="x", after=[{"task_id": held, "when": "finished"}])
    assert acme.client.patch(f"/api/tasks/{held}", json={"priority": 9, "tags": ["a"]}).json()["priority"] == 9
    assert acme.status(held)["waiting_reason"] == "DEPENDENCIES"
    answer = acme.client.post(f"/api/tasks/{held}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "REVOKED")
    assert acme.result(held)["error"]["type"] == "Cancelled"
    assert acme.result(further)["result"] == "x"
    acme.client.post(f"/api/tasks/{first}/cancel").raise_for_status()


def test_a_cancel_of_many_finds_held_tasks(acme: Tenant):
    tag = uuid.uuid4().hex
    first = _later(acme)
    held = acme.submit(task="echo", payload=1, after=[first], tags=[tag])
    assert acme.client.post("/api/tasks/cancel", json={"filter": {"tag": tag}}).status_code == 202
    wait_until(lambda: acme.status(held)["status"] == "REVOKED", "the cancel")
    acme.client.post(f"/api/tasks/{first}/cancel").raise_for_status()


def test_another_tenants_task_is_refused_like_an_unknown_one(acme: Tenant, globex: Tenant):
    foreign, known = _later(globex), _later(acme)
    before = acme.client.get("/api/limits").json()
    answers = [_refused(acme, after=[known, other]) for other in (foreign, str(uuid.uuid4()))]
    assert answers[0] == answers[1]
    assert [error["pointer"] for error in answers[0]] == ["#/after/1"]
    assert acme.client.get("/api/limits").json() == before
    for tenant, task_id in ((globex, foreign), (acme, known)):
        tenant.client.post(f"/api/tasks/{task_id}/cancel").raise_for_status()


@pytest.mark.parametrize(
    ("after", "pointer"),
    [
        (["x"], "#/after/0"),
        ([1], "#/after/0"),
        ([{"when": "success"}], "#/after/0/task_id"),
        ([{"task_id": str(uuid.uuid4()), "when": "never"}], "#/after/0/when"),
        ([str(uuid.uuid4())] * 1_001, "#/after"),
        ("x", "#/after"),
    ],
)
def test_what_is_no_task_to_wait_for_is_refused_with_its_place(acme: Tenant, after: Any, pointer: str):
    assert [error["pointer"] for error in _refused(acme, after=after)] == [pointer]


def test_a_task_that_is_named_twice_is_refused(acme: Tenant):
    done = acme.submit(task="echo", payload=1)
    twice = [done, {"task_id": done, "when": "failure"}]
    assert [error["pointer"] for error in _refused(acme, after=twice)] == ["#/after/1"]


def test_a_task_of_a_batch_waits_for_no_other(acme: Tenant):
    done = acme.submit(task="echo", payload=1)
    tasks = [{"task": "echo", "payload": 1}, {"task": "echo", "payload": 1, "after": [done]}]
    response = acme.client.post("/api/tasks/batch", json={"tasks": tasks})
    stored, refused = response.json()["outcomes"]
    assert stored["status"] == "PENDING"
    assert refused["error"]["errors"][0]["pointer"] == "#/tasks/1/after"


def test_a_key_gives_the_same_held_task_again(acme: Tenant):
    first, key = _later(acme), {"Idempotency-Key": uuid.uuid4().hex}
    body = {"task": "echo", "payload": 1, "after": [first]}
    answers = [acme.client.post("/api/tasks/submit", json=body, headers=key) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["task_id"] == answers[1].json()["task_id"]
    # A refused one keeps no key.
    key, body = {"Idempotency-Key": uuid.uuid4().hex}, body | {"after": [str(uuid.uuid4())]}
    for _ in range(2):
        assert acme.client.post("/api/tasks/submit", json=body, headers=key).status_code == 422
    acme.client.post(f"/api/tasks/{first}/cancel").raise_for_status()


def test_null_and_an_empty_list_mean_nothing_to_wait_for(acme: Tenant):
    for after in (None, []):
        assert acme.result(acme.submit(task="echo", payload=1, after=after))["status"] == "SUCCESS"
