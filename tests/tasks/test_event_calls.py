"""The calls that follow one task, also by a browser, which has only a token in the URL."""

import threading
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import Stack, Tenant, wait_until
from tests.events.conftest import Recorder, streaming

FUTURE = {"task": "echo", "delay_seconds": 3600}


@pytest.fixture
def tenant(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant of the test's own."""
    return make_tenant(f"follow-{time.time_ns()}")


def _page(tenant: Tenant, task_id: str, **params: Any) -> dict[str, Any]:
    response = tenant.client.get(f"/api/tasks/{task_id}/events", params=params)
    assert response.status_code == 200, response.text
    return dict(response.json())


def _types(items: list[dict[str, Any]], *, progress: bool = True) -> list[str]:
    return [item["type"] for item in items if progress or item["type"] != "task.progress"]


def _token(tenant: Tenant, task_id: str) -> str:
    response = tenant.client.post(f"/api/tasks/{task_id}/stream-token")
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["expires_in"] == 900
    return str(response.json()["access_token"])


RETRIED = [
    "task.created", "attempt.started", "attempt.ended", "attempt.started", "attempt.ended", "task.succeeded",
]  # fmt: skip


def test_a_stream_tells_a_task_from_its_beginning_to_its_end(stack: Stack, tenant: Tenant):
    payload = {"seconds": 0.4, "steps": 4, "fail_attempts": 1}
    task_id = tenant.submit(task="long_task", payload=payload, max_attempts=2, tags=["x"])
    with streaming(stack.url, tenant.api_key, f"/api/tasks/{task_id}/events") as stream:
        wait_until(lambda: stream.has_ended, "the end of a stream")
    assert _types(stream.events, progress=False) == RETRIED
    assert "task.progress" in _types(stream.events)
    late = _page(tenant, task_id)
    assert _types(late["items"], progress=False) == RETRIED
    assert late["next_cursor"] is None
    created, *_, end = late["items"]
    assert (created["data"]["status"], created["data"]["tags"]) == ("PENDING", ["x"])
    assert end["data"] == tenant.client.get("/api/events").json()["items"][-1]["data"]
    attempts = tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [item["data"]["error"] for item in late["items"] if item["type"] == "attempt.ended"] == [
        one["error"] for one in attempts
    ]


def test_a_stream_that_is_cut_at_each_event_is_resumed_without_loss_or_repetition(stack: Stack, tenant: Tenant):
    task_id = tenant.submit(task="long_task", payload={"seconds": 1, "steps": 40, "fail_attempts": 1}, max_attempts=2)
    seen: list[dict[str, Any]] = []
    headers: dict[str, str] = {}
    for _ in range(60):
        with streaming(stack.url, tenant.api_key, f"/api/tasks/{task_id}/events", headers) as stream:
            stream.wait_for(1)
        taken = stream.events
        seen += taken
        headers = {"Last-Event-ID": stream.last_id or ""}
        if taken[-1]["type"] == "task.succeeded":
            break
    assert _types(seen, progress=False) == RETRIED
    reports = [(item["data"]["attempt"], str(item["data"]["progress"])) for item in seen if "progress" in item["type"]]
    assert len(reports) == len(set(reports))
    # What an EventSource does after the end: it is told to stay away.
    again = tenant.client.get(f"/api/tasks/{task_id}/events", headers=headers | {"Accept": "text/event-stream"})
    assert again.status_code == 204


def test_each_log_line_comes_once_and_in_order_over_twenty_cut_connections(stack: Stack, tenant: Tenant):
    task_id = tenant.submit(task="test.chatter", payload={"lines": 500, "reports": 200, "seconds": 4})
    seen: list[dict[str, Any]] = []
    headers: dict[str, str] = {}
    for round_ in range(21):
        with streaming(stack.url, tenant.api_key, f"/api/tasks/{task_id}/events", headers) as stream:
            if round_ == 20:
                wait_until(lambda: stream.has_ended, "the end of the task")
            else:
                wait_until(lambda: stream.has_ended or bool(stream.events), "something new")
        seen += stream.events
        headers = {"Last-Event-ID": stream.last_id or headers.get("Last-Event-ID", "")}
        if seen[-1]["type"] == "task.succeeded":
            break
    assert [item["data"]["seq"] for item in seen if item["type"] == "task.log"] == list(range(1, 501))
    assert _types(seen, progress=False)[-2:] == ["attempt.ended", "task.succeeded"]
    reports = [item["data"]["progress"]["done"] for item in seen if item["type"] == "task.progress"]
    assert reports == sorted(set(reports))
    # A late reader gets the same lines, page by page.
    late, page = [], _page(tenant, task_id)
    while page["next_cursor"]:
        late += page["items"]
        page = _page(tenant, task_id, after=page["next_cursor"])
    late += page["items"]
    assert [item for item in late if item["type"] == "task.log"] == [
        item for item in seen if item["type"] == "task.log"
    ]


def test_pages_go_on_where_the_last_one_ended_and_wait(tenant: Tenant):
    task_id = tenant.submit(**FUTURE)
    first = _page(tenant, task_id)
    assert _types(first["items"]) == ["task.created"]
    found: list[dict[str, Any]] = []
    waiting = threading.Thread(target=lambda: found.append(_page(tenant, task_id, after=first["next_cursor"], wait=30)))
    waiting.start()
    tenant.client.post(f"/api/tasks/{task_id}/cancel").raise_for_status()
    waiting.join(20)
    assert (_types(found[0]["items"]), found[0]["next_cursor"]) == (["task.revoked"], None)


def test_a_cursor_of_another_task_or_list_is_refused(tenant: Tenant):
    one, other = tenant.submit(**FUTURE), tenant.submit(**FUTURE)
    cursors = [_page(tenant, one)["next_cursor"], tenant.client.get("/api/events").json()["next_cursor"], "x" * 30]
    for cursor in cursors:
        for headers in ({}, {"Accept": "text/event-stream"}):
            response = tenant.client.get(f"/api/tasks/{other}/events", params={"after": cursor}, headers=headers)
            assert (response.status_code, response.json()["code"]) == (400, "invalid_cursor")


def test_an_unknown_task_has_no_stream(tenant: Tenant, globex: Tenant):
    task_id = tenant.submit(**FUTURE)
    for path in ("events", "stream-token"):
        method = "GET" if path == "events" else "POST"
        response = globex.client.request(
            method, f"/api/tasks/{task_id}/{path}", headers={"Accept": "text/event-stream"}
        )
        assert (response.status_code, response.json()["code"]) == (404, "not_found")


READS = ("status", "result", "events")


@pytest.mark.parametrize("path", READS)
def test_a_stream_token_reads_its_task_and_leaves_no_trace(stack: Stack, tenant: Tenant, path: str):
    task_id = tenant.submit(**FUTURE)
    token = _token(tenant, task_id)
    response = httpx.get(f"{stack.url}/api/tasks/{task_id}/{path}", params={"access_token": token})
    assert response.status_code in {200, 202}, response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.json().get("task_id", task_id) == task_id
    assert token not in (stack.folder / "api.log").read_text()


def test_a_stream_token_opens_a_stream_that_ends_with_the_task(stack: Stack, tenant: Tenant):
    task_id = tenant.submit(**FUTURE)
    with streaming(stack.url, None, f"/api/tasks/{task_id}/events", access_token=_token(tenant, task_id)) as stream:
        stream.wait_for(1)
        tenant.client.post(f"/api/tasks/{task_id}/cancel").raise_for_status()
        wait_until(lambda: stream.has_ended, "the end of a stream")
    assert _types(stream.events) == ["task.created", "task.revoked"]
    assert stream.response.headers["referrer-policy"] == "no-referrer"
    assert stream.response.headers["cache-control"] == "no-store"


def test_a_stream_token_does_nothing_else(stack: Stack, tenant: Tenant, globex: Tenant):
    task_id, other = tenant.submit(**FUTURE), tenant.submit(**FUTURE)
    foreign = globex.submit(**FUTURE)
    token = _token(tenant, task_id)
    with httpx.Client(base_url=stack.url, trust_env=False) as client:
        query = {"access_token": token}
        for path in READS:
            # Another task of the tenant's, another tenant's, and one that is unknown are all the same.
            for named in (other, foreign, "no-id"):
                response = client.get(f"/api/tasks/{named}/{path}", params=query)
                assert (response.status_code, response.json()["code"]) == (404, "not_found")
                assert response.headers["referrer-policy"] == "no-referrer"
            bearer = client.get(f"/api/tasks/{task_id}/{path}", headers={"Authorization": f"Bearer {token}"})
            assert bearer.status_code == 401
            twice = client.get(f"/api/tasks/{task_id}/{path}", params=query, headers={"X-API-Key": tenant.api_key})
            assert (twice.status_code, twice.json()["code"]) == (400, "invalid_request")
            two = client.get(f"/api/tasks/{task_id}/{path}?access_token={token}&access_token={token}")
            assert (two.status_code, two.json()["code"]) == (400, "invalid_request")
            assert two.headers["referrer-policy"] == "no-referrer"
            key = client.get(f"/api/tasks/{task_id}/{path}", params={"access_token": tenant.api_key})
            assert key.status_code == 401
        for method, path in (
            ("GET", f"/api/tasks/{task_id}"), ("GET", "/api/tasks"), ("GET", "/api/events"), ("GET", "/api/task-types"),
            ("POST", f"/api/tasks/{task_id}/cancel"), ("POST", f"/api/tasks/{task_id}/stream-token"),
            ("GET", "/api/keys"), ("GET", "/api/limits"),
        ):  # fmt: skip
            refused = client.request(method, path, params=query)
            assert refused.status_code == 401, path
            known = tenant.client.request(method, path, params=query)
            assert known.status_code == 422, path


def _ends_with(stream: Recorder, what: str) -> None:
    wait_until(lambda: stream.has_ended, f"the end of a stream after {what}", 10)
    assert stream.error is None


def test_a_stream_token_and_its_open_streams_end_with_the_key(stack: Stack, tenant: Tenant):
    task_id = tenant.submit(**FUTURE)
    issued = tenant.client.post("/api/keys", json={"name": "x", "scopes": ["tasks:read"]}).json()
    made = httpx.post(
        f"{stack.url}/api/tasks/{task_id}/stream-token", headers={"Authorization": f"Bearer {issued['api_key']}"}
    )
    token = made.json()["access_token"]
    with streaming(stack.url, None, f"/api/tasks/{task_id}/events", access_token=token) as stream:
        stream.wait_for(1)
        tenant.client.delete(f"/api/keys/{issued['key_id']}").raise_for_status()
        _ends_with(stream, "the key")
    refused = httpx.get(f"{stack.url}/api/tasks/{task_id}/status", params={"access_token": token})
    assert refused.status_code == 401


def test_a_stream_token_ends_with_the_token_that_made_it(stack: Stack, tenant: Tenant):
    task_id = tenant.submit(**FUTURE)
    key_id = tenant.api_key.split("_")[2]
    form = {"grant_type": "client_credentials", "client_id": key_id, "client_secret": tenant.api_key}
    parent = httpx.post(f"{stack.url}/api/auth/token", data=form).json()["access_token"]
    made = httpx.post(
        f"{stack.url}/api/tasks/{task_id}/stream-token", headers={"Authorization": f"Bearer {parent}"}
    ).json()
    assert made["expires_in"] <= 900
    with streaming(stack.url, None, f"/api/tasks/{task_id}/events", access_token=made["access_token"]) as stream:
        stream.wait_for(1)
        assert httpx.post(f"{stack.url}/api/auth/revoke", data={"token": parent}).status_code == 200
        _ends_with(stream, "the token")
