"""Errors over HTTP, from a task that fails to the retry of all that have failed alike."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant, wait_until


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant without errors."""
    return make_tenant(f"errors-{uuid.uuid4().hex[:8]}")


def _list(tenant: Tenant, **params: Any) -> dict[str, Any]:
    response = tenant.client.get("/api/errors", params=params)
    assert response.status_code == 200, response.text
    return dict(response.json())


def _errors(tenant: Tenant, **params: Any) -> list[dict[str, Any]]:
    return list(_list(tenant, **params)["items"])


def _fail(tenant: Tenant, count: int = 1, task: str = "test.fails", **options: Any) -> list[str]:
    """Let tasks fail; return them once each is counted."""
    before = sum(error["occurrences"] for error in _errors(tenant))
    payload = {"a": 1, "b": 2} if task == "test.fails" else {}
    made = [tenant.submit(task=task, payload=payload, **{"max_attempts": 1} | options) for _ in range(count)]
    for task_id in made:
        assert tenant.result(task_id)["status"] == "FAILURE"
    wait_until(lambda: sum(error["occurrences"] for error in _errors(tenant)) >= before + count, "the counts", 10)
    return made


def _act(tenant: Tenant, error_id: str, act: str, **headers: str) -> httpx.Response:
    return tenant.client.post(f"/api/errors/{error_id}/{act}", headers=headers)


def _ids(tenant: Tenant, **params: Any) -> list[str]:
    return [item["task_id"] for item in tenant.client.get("/api/tasks", params=params).json()["items"]]


def test_failures_are_an_error_that_is_resolved_ignored_and_reopened(tenant: Tenant):
    first, last = _fail(tenant, 2)
    [error] = _errors(tenant)
    facts = {name: error[name] for name in ("task", "type", "message", "status", "occurrences", "regressed_at")}
    assert facts == {
        "task": "test.fails", "type": "ValueError", "message": "for good", "status": "unresolved", "occurrences": 2,
        "regressed_at": None,
    }  # fmt: skip
    assert error["last_task_id"] in {first, last}
    assert (len(error["sparkline"]), sum(error["sparkline"])) == (24, 2)
    error_id = error["error_id"]
    assert tenant.client.get(f"/api/errors/{error_id}").json() == error
    assert tenant.client.get(f"/api/errors/{error_id.upper()}").json() == error
    for act, status in (
        ("ignore", "ignored"),
        ("reopen", "unresolved"),
        ("resolve", "resolved"),
        ("resolve", "resolved"),
    ):
        answer = _act(tenant, error_id, act)
        assert (answer.status_code, answer.json()["status"]) == (200, status)
    resolved = tenant.client.get(f"/api/errors/{error_id}").json()
    assert (resolved["resolved_by"], resolved["resolved_at"] is None) == (tenant.api_key[8:20], False)
    assert _errors(tenant, status="unresolved,ignored") == []
    assert _errors(tenant, status="resolved", task="test.fails") == [resolved]
    assert _errors(tenant, task="echo") == []
    _fail(tenant)
    [again] = _errors(tenant, status="unresolved")
    assert (again["error_id"], again["occurrences"], again["resolved_at"]) == (error_id, 3, None)
    assert again["regressed_at"] == again["last_seen"] > resolved["resolved_at"]


def test_the_tasks_of_an_error_are_listed_and_run_again_together(tenant: Tenant):
    tag = uuid.uuid4().hex
    failed = _fail(tenant, 3, tags=[tag])
    [other] = _fail(tenant, task="test.cancels_itself", tags=[tag])
    tenant.result(tenant.submit(task="echo", payload=1, tags=[tag]))
    error_id = tenant.client.get(f"/api/tasks/{failed[0]}").json()["error_id"]
    shown = {item["task_id"]: item["error_id"] for item in tenant.client.get("/api/tasks").json()["items"]}
    assert [shown[task_id] for task_id in failed] == [error_id] * 3
    assert None in shown.values()
    assert shown[other] not in {None, error_id}
    assert _ids(tenant, error_id=error_id) == failed[::-1]
    assert _ids(tenant, error_id=error_id, tag=tag, status="FAILURE", sort="created_at", limit=2) == failed[:2]
    assert _ids(tenant, error_id=error_id, task="echo") == []
    assert _ids(tenant, error_id=str(uuid.uuid4())) == []
    key = {"Idempotency-Key": uuid.uuid4().hex}
    started, replayed = (_act(tenant, error_id, "retry", **key) for _ in range(2))
    assert (started.status_code, replayed.status_code) == (202, 200)
    assert replayed.json()["operation_id"] == started.json()["operation_id"]
    path = started.headers["Location"]
    wait_until(lambda: tenant.client.get(path).json()["status"] != "RUNNING", "the end of the operation")
    operation = tenant.client.get(path).json()
    assert {name: operation[name] for name in ("kind", "status", "filter", "total", "done", "failed", "skipped")} == {
        "kind": "tasks.retry", "status": "SUCCEEDED", "filter": {"error_id": error_id}, "total": 3, "done": 3, "failed": 0,
        "skipped": 0,
    }  # fmt: skip
    again = [task_id for task_id in _ids(tenant, tag=tag, task="test.fails") if task_id not in failed]
    assert sorted(tenant.client.get(f"/api/tasks/{task_id}").json()["retry_of"] for task_id in again) == sorted(failed)


def test_errors_are_listed_page_by_page_the_latest_first(tenant: Tenant):
    for task in ("test.fails", "test.cancels_itself"):
        _fail(tenant, task=task)
    first = _list(tenant, limit=1)
    second = _list(tenant, limit=1, cursor=first["next_cursor"])
    assert [page["items"][0]["task"] for page in (first, second)] == ["test.cancels_itself", "test.fails"]
    assert second["next_cursor"] is None


@pytest.mark.parametrize("params", [{"status": "open"}, {"status": "resolved,"}, {"task": "no name"}, {"limit": 101}])
def test_a_filter_that_cannot_be_met_is_refused(tenant: Tenant, params: dict[str, Any]):
    assert tenant.client.get("/api/errors", params=params).status_code == 422


@pytest.mark.parametrize("error_id", ["x", "", "5f0c6b1f2a104d3a9b507c1e019ab2c4"])
def test_a_task_list_refuses_what_is_no_id_of_an_error(tenant: Tenant, error_id: str):
    response = tenant.client.get("/api/tasks", params={"error_id": error_id})
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


def test_a_bulk_call_refuses_what_is_no_id_of_an_error(tenant: Tenant):
    response = tenant.client.post("/api/tasks/retry", json={"filter": {"error_id": "x"}})
    assert (response.status_code, response.json()["errors"][0]["pointer"]) == (422, "#/filter/error_id")
