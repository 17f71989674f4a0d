"""Cancelling and retrying many tasks over HTTP, as the dispatcher of the stack runs it."""

import uuid
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant, wait_until


def _post(tenant: Tenant, path: str, chosen: Any, **headers: str) -> httpx.Response:
    return tenant.client.post(path, json={"filter": chosen}, headers=headers)


def _start(tenant: Tenant, path: str, **chosen: Any) -> str:
    response = _post(tenant, path, chosen)
    assert response.status_code == 202, response.text
    assert response.headers["Location"] == f"/api/operations/{response.json()['operation_id']}"
    return str(response.json()["operation_id"])


def _get(tenant: Tenant, operation_id: str) -> dict[str, Any]:
    return dict(tenant.client.get(f"/api/operations/{operation_id}").json())


def _end(tenant: Tenant, operation_id: str) -> dict[str, Any]:
    wait_until(lambda: _get(tenant, operation_id)["status"] != "RUNNING", "the end of an operation")
    return _get(tenant, operation_id)


def test_waiting_tasks_end_as_by_a_single_cancel_and_running_ones_are_asked(acme: Tenant):
    tag = uuid.uuid4().hex
    waiting = [acme.submit(task="echo", payload=1, delay_seconds=600, tags=[tag]) for _ in range(3)]
    other = acme.submit(task="echo", payload=1, delay_seconds=600)
    running = acme.submit(task="test.deaf", payload={}, tags=[tag])
    wait_until(lambda: acme.status(running)["status"] == "STARTED", "the start")
    operation = _end(acme, _start(acme, "/api/tasks/cancel", tag=tag))
    facts = {
        name: operation[name] for name in ("kind", "status", "total", "done", "failed", "skipped", "progress", "errors")
    }
    assert facts == {
        "kind": "tasks.cancel", "status": "SUCCEEDED", "total": 4, "done": 4, "failed": 0, "skipped": 0, "progress": 1.0,
        "errors": [],
    }  # fmt: skip
    for task_id in (*waiting, running):
        ended = acme.result(task_id)
        assert (ended["status"], ended["error"]["type"]) == ("REVOKED", "Cancelled")
    assert acme.status(other)["status"] == "PENDING"


def test_failed_tasks_run_again_and_those_that_succeeded_do_not(acme: Tenant):
    tag = uuid.uuid4().hex
    failed = acme.submit(task="test.fails", payload={"a": 1, "b": 2}, max_attempts=1, tags=[tag])
    succeeded = acme.submit(task="echo", payload=7, tags=[tag])
    assert acme.result(failed)["status"] == "FAILURE"
    assert acme.result(succeeded)["status"] == "SUCCESS"
    assert _end(acme, _start(acme, "/api/tasks/retry", tag=tag))["done"] == 1
    found = acme.client.get("/api/tasks", params={"tag": tag}).json()["items"]
    [again] = [item["task_id"] for item in found if item["task_id"] not in {failed, succeeded}]
    assert acme.client.get(f"/api/tasks/{again}").json()["retry_of"] == failed
    assert acme.result(again)["status"] == "FAILURE"
    # Named by its id, a task that succeeded is run again too.
    assert _end(acme, _start(acme, "/api/tasks/retry", ids=[succeeded]))["done"] == 1
    newest = acme.client.get("/api/tasks", params={"tag": tag, "limit": 1}).json()["items"][0]["task_id"]
    assert acme.result(newest)["result"] == 7


def test_a_task_that_runs_again_has_its_metadata_and_an_erased_one_does_not_run(acme: Tenant):
    kept, erased = (acme.submit(task="echo", payload=1, metadata={"order": uuid.uuid4().hex}) for _ in range(2))
    for task_id in (kept, erased):
        acme.result(task_id)
    assert acme.client.delete(f"/api/tasks/{erased}").status_code == 200
    operation = _end(acme, _start(acme, "/api/tasks/retry", ids=[erased, kept]))
    assert (operation["total"], operation["done"], operation["skipped"]) == (2, 1, 1)
    [again] = [
        item for item in acme.client.get("/api/tasks", params={"limit": 100}).json()["items"]
        if acme.client.get(f"/api/tasks/{item['task_id']}").json()["retry_of"] in {kept, erased}
    ]  # fmt: skip
    again, original = (acme.client.get(f"/api/tasks/{task_id}").json() for task_id in (again["task_id"], kept))
    assert (again["retry_of"], again["metadata"]) == (kept, original["metadata"])


@pytest.mark.parametrize("path", ["/api/tasks/cancel", "/api/tasks/retry"])
@pytest.mark.parametrize(
    ("chosen", "pointer"),
    [
        ({}, "#/filter"),
        (None, "#/filter"),
        ({"tag": None}, "#/filter"),
        ({"all": False}, "#/filter/all"),
        ({"all": True, "tag": "x"}, "#/filter"),
        ({"tags": ["x"]}, "#/filter/tags"),
        ({"ids": []}, "#/filter/ids"),
        ({"ids": ["x"]}, "#/filter/ids/0"),
        ({"ids": [str(uuid.uuid4()) for _ in range(1_001)]}, "#/filter/ids"),
        ({"statuses": []}, "#/filter/statuses"),
        ({"created_from": "yesterday"}, "#/filter/created_from"),
        ({"task": "no name"}, "#/filter/task"),
    ],
)
def test_a_filter_that_does_not_say_what_it_means_is_refused(acme: Tenant, path: str, chosen: Any, pointer: str):
    response = _post(acme, path, chosen)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert response.json()["errors"][0]["pointer"] == pointer


@pytest.mark.parametrize(
    ("path", "status"),
    [("/api/tasks/cancel", "SUCCESS"), ("/api/tasks/retry", "PENDING"), ("/api/tasks/retry", "STARTED")],
)
def test_a_status_on_which_it_cannot_act_is_refused(acme: Tenant, path: str, status: str):
    response = _post(acme, path, {"statuses": [status]})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/filter/statuses/0")


@pytest.mark.parametrize("body", [None, {}, [], {"all": True}])
def test_a_body_without_a_filter_is_refused(acme: Tenant, body: Any):
    assert acme.client.post("/api/tasks/cancel", json=body).status_code == 422


def test_a_repeat_with_the_same_key_is_answered_with_the_same_operation(acme: Tenant):
    key, chosen = uuid.uuid4().hex, {"ids": [str(uuid.uuid4())]}
    headers = {"Idempotency-Key": key}
    first = _post(acme, "/api/tasks/cancel", chosen, **headers)
    again = _post(acme, "/api/tasks/cancel", chosen | {"tag": None}, **headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.json()["operation_id"] == first.json()["operation_id"]
    for path, other in (("/api/tasks/cancel", {"tag": "x"}), ("/api/tasks/retry", chosen)):
        refused = _post(acme, path, other, **headers)
        assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_mismatch")
    _end(acme, first.json()["operation_id"])


def test_operations_are_listed_newest_first(globex: Tenant):
    made = [_start(globex, "/api/tasks/cancel", ids=[str(uuid.uuid4())]) for _ in range(3)]
    page = globex.client.get("/api/operations", params={"limit": 2})
    assert 'rel="next"' in page.headers["Link"]
    rest = globex.client.get("/api/operations", params={"limit": 2, "cursor": page.json()["next_cursor"]}).json()[
        "items"
    ]
    assert [item["operation_id"] for item in page.json()["items"] + rest][:3] == made[::-1]
    for operation_id in made:
        _end(globex, operation_id)


def test_a_cancel_of_an_ended_operation_is_refused(globex: Tenant):
    operation_id = _start(globex, "/api/tasks/cancel", ids=[str(uuid.uuid4())])
    _end(globex, operation_id)
    response = globex.client.post(f"/api/operations/{operation_id}/cancel")
    assert (response.status_code, response.json()["code"]) == (409, "illegal_state")


def test_who_may_not_write_tasks_cannot_cancel_them(acme: Tenant):
    made = acme.client.post("/api/keys", json={"name": "reads", "scopes": ["tasks:read"]}).json()
    reader = httpx.Client(base_url=str(acme.client.base_url), headers={"X-API-Key": made["api_key"]}, trust_env=False)
    with reader:
        assert reader.post("/api/tasks/cancel", json={"filter": {"all": True}}).status_code == 403
        assert reader.get("/api/operations").status_code == 200


def test_each_start_is_in_the_audit_log_without_the_list_of_ids(acme: Tenant):
    operation_id = _start(acme, "/api/tasks/cancel", ids=[str(uuid.uuid4()) for _ in range(3)], task="echo")
    found = acme.client.get("/api/audit", params={"action": "operation.started", "limit": 1}).json()["items"][0]
    assert (found["object"], found["detail"]) == (
        operation_id, {"kind": "tasks.cancel", "filter": {"ids": 3, "task": "echo"}},
    )  # fmt: skip
    _end(acme, operation_id)
