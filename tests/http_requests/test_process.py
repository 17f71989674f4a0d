"""http_request from its submit to its result: a real worker calls a real endpoint."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT, Stack, Tenant, wait_until
from tests.http_requests.conftest import start
from tests.webhooks.receiver import Receiver, hang, status

pytestmark = pytest.mark.usefixtures("http_stack")

TRACE = "0af7651916cd43dd8448eb211c80319c"
JSON = {"Content-Type": "application/json"}


def _call(caller: Tenant, url: str, *, options: dict[str, Any] | None = None, **payload: Any) -> str:
    return caller.submit(task="http_request", payload={"url": url} | payload, **(options or {}))


def _attempts(caller: Tenant, task_id: str) -> list[str]:
    return [one["status"] for one in caller.client.get(f"/api/tasks/{task_id}").json()["attempts"]]


def test_a_request_is_signed_and_its_answer_is_the_result(caller: Tenant, receiver: Receiver):
    url = receiver.on("/jobs", status(201, JSON | {"X-Job": "7"}, b'{"id":7,"big":12345678901234567890}'))
    body = {"task": "http_request", "payload": {"url": url, "json": {"a": [1, None]}, "headers": {"X-Mine": "yes"}}}
    sent = caller.client.post(
        "/api/tasks/submit", json=body, headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    )
    task_id = sent.json()["task_id"]
    ended = caller.result(task_id)
    assert ended["status"] == "SUCCESS", ended
    result = ended["result"]
    assert (result["status"], result["json"]) == (201, {"id": 7, "big": 12345678901234567890})
    assert result["headers"]["x-job"] == "7"
    assert isinstance(result["duration_ms"], int)
    assert "text" not in result
    [request] = receiver.got("/jobs")
    assert (request.method, request.verify(caller.webhook_secret)) == ("POST", {"a": [1, None]})
    assert request.headers["idempotency-key"] == task_id
    assert request.headers["webhook-id"] == f"msg_{task_id.replace('-', '')}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-mine"] == "yes"
    version, trace, parent, flags = request.headers["traceparent"].split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    assert parent not in {"b7ad6b7169203331", "0" * 16}


def test_an_attempt_that_fails_is_made_again_with_the_same_key(caller: Tenant, receiver: Receiver):
    url = receiver.on("/busy", status(503, {"Retry-After": "1"}), status(200, {}, b"done"))
    task_id = _call(caller, url, method="PUT", text="ä")
    ended = caller.result(task_id)
    assert (ended["status"], ended["result"]["text"]) == ("SUCCESS", "done")
    assert _attempts(caller, task_id) == ["FAILURE", "SUCCESS"]
    first, second = receiver.got("/busy")
    assert second.at - first.at >= 1
    for name in ("idempotency-key", "webhook-id"):
        assert first.headers[name] == second.headers[name]
    assert (first.method, first.body.decode()) == ("PUT", "ä")


def test_a_cancel_ends_a_request_under_way(caller: Tenant, receiver: Receiver):
    task_id = _call(caller, receiver.on("/slow", hang))
    receiver.wait_for("/slow")
    assert caller.client.post(f"/api/tasks/{task_id}/cancel").status_code == 202
    assert caller.result(task_id)["status"] == "REVOKED"


def test_a_killed_worker_costs_an_attempt_and_not_the_task(caller: Tenant, receiver: Receiver, http_stack: Stack):
    url = receiver.on("/killed", hang, status(200, JSON, b"true"))
    task_id = _call(caller, url)
    receiver.wait_for("/killed")
    process = http_stack.processes.pop("http")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    start(http_stack)
    ended = caller.result(task_id)
    assert (ended["status"], ended["result"]["json"]) == ("SUCCESS", True)
    assert _attempts(caller, task_id) == ["LOST", "SUCCESS"]
    assert len({one.headers["idempotency-key"] for one in receiver.got("/killed")}) == 1


def test_without_a_worker_it_waits_and_says_why(caller: Tenant, receiver: Receiver, http_stack: Stack):
    http_stack.stop("http")
    http_stack.wait_for_workers(1)
    task_id = _call(caller, receiver.on("/later", status(200)))
    wait_until(lambda: caller.status(task_id)["waiting_reason"] == "NO_WORKER", "the reason")
    start(http_stack)
    assert caller.result(task_id)["status"] == "SUCCESS"


def test_the_worker_is_shown_and_its_probe_is_not_that_of_other_workers(http_stack: Stack):
    pid = str(http_stack.processes["http"].pid)
    # A worker that another test has killed counts until its heartbeat is too old.
    wait_until(lambda: _workers(http_stack) == {"http": 1, "prefork": 1}, "the workers of each pool")
    wait_until(lambda: _probe(http_stack, "http", "--pid", pid), "the probe")
    assert not _probe(http_stack, "worker", "--pid", pid)
    assert not _probe(http_stack, "http", "--pid", str(http_stack.processes["worker"].pid))


def _workers(stack: Stack) -> dict[str, int]:
    found: dict[str, int] = httpx.get(f"{stack.url}/readyz", trust_env=False).json()["workers_by_pool"]
    return found


def _probe(stack: Stack, *arguments: str) -> bool:
    command = [sys.executable, "-P", "-m", "app.monitoring", "probe", *arguments]
    settings = stack.environment | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=settings, check=False, capture_output=True, timeout=60)
    return done.returncode == 0


def test_the_rate_puts_requests_off_and_each_is_sent_once(make_tenant: Callable[..., Tenant], receiver: Receiver):
    slow, url = make_tenant("slow-caller", plan="free"), receiver.on("/many", status(204))
    tasks = [_call(slow, url) for _ in range(12)]
    ended = [slow.result(task_id) for task_id in tasks]
    assert [one["status"] for one in ended] == ["SUCCESS"] * 12
    assert len(receiver.got("/many")) == 12
    # Five at once, and then five in a second.
    assert receiver.got("/many")[-1].at - receiver.got("/many")[0].at >= 1.2
    assert {status for task_id in tasks for status in _attempts(slow, task_id)} <= {"RETURNED", "SUCCESS"}


def test_the_type_is_listed_with_its_schema_and_an_example(caller: Tenant):
    listed = {one["name"]: one for one in caller.client.get("/api/task-types").json()["items"]}["http_request"]
    assert listed["pool"] == "http"
    assert {"url", "json", "text", "success"} <= listed["payload_schema"]["properties"].keys()
    [example] = listed["payload_schema"]["examples"]
    refused = caller.client.post("/api/tasks/submit", json={"task": "http_request", "payload": example | {"x": 1}})
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["#/payload/x"], json.dumps(refused.json())
