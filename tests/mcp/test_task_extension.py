"""The tasks extension on the wire, as its schema of 2026-07-28 has it: no client of the package speaks it."""

import itertools
import uuid
from typing import Any

import httpx
import pytest

from tests.conftest import Tenant, wait_until

VERSION, EXTENSION = "2026-07-28", "io.modelcontextprotocol/tasks"
NUMBERS = itertools.count(1)
MISSING_CAPABILITY, INVALID_PARAMS, METHOD_NOT_FOUND = -32021, -32602, -32601


def _send(url: str, tenant: Tenant, method: str, params: dict[str, Any], *, declared: bool = True) -> dict[str, Any]:
    meta = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "wire", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {EXTENSION: {}}} if declared else {},
    }
    headers = {
        "Authorization": f"Bearer {tenant.api_key}", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": VERSION, "Mcp-Method": method, "Mcp-Name": str(params.get("name") or params.get("taskId") or ""),
    }  # fmt: skip
    if not headers["Mcp-Name"]:
        del headers["Mcp-Name"]
    sent = {**params, "_meta": meta | params.get("_meta", {})}
    body = {"jsonrpc": "2.0", "id": next(NUMBERS), "method": method, "params": sent}
    answer = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=60)
    told: dict[str, Any] = answer.json()
    assert told["id"] == body["id"]
    return told


def _result(url: str, tenant: Tenant, method: str, params: dict[str, Any]) -> dict[str, Any]:
    answer = _send(url, tenant, method, params)
    assert "result" in answer, answer
    result: dict[str, Any] = answer["result"]
    return result


def _call(url: str, tenant: Tenant, name: str, **arguments: Any) -> dict[str, Any]:
    made = _result(url, tenant, "tools/call", {"name": name, "arguments": arguments})
    assert made["resultType"] == "task"
    return made


def _ended(url: str, tenant: Tenant, task_id: str) -> dict[str, Any]:
    seen: list[dict[str, Any]] = []

    def has_ended() -> bool:
        seen.append(_result(url, tenant, "tasks/get", {"taskId": task_id}))
        return seen[-1]["status"] != "working"

    wait_until(has_ended, "the end of the task")
    assert all(one["resultType"] == "complete" for one in seen)
    return seen[-1]


def test_the_extension_is_offered(url: str, acme: Tenant):
    assert _result(url, acme, "server/discover", {})["capabilities"]["extensions"] == {EXTENSION: {}}


def test_a_call_is_answered_by_a_task_that_is_stored_and_ends_with_the_result_of_the_call(url: str, acme: Tenant):
    made = _call(url, acme, "echo", payload={"answer": 42})
    assert {"taskId", "status", "createdAt", "lastUpdatedAt", "ttlMs", "pollIntervalMs"} <= made.keys()
    assert "result" not in made
    # It is a task of the service, with the same id.
    assert acme.result(made["taskId"])["result"] == {"answer": 42}
    ended = _ended(url, acme, made["taskId"])
    assert (ended["status"], ended["taskId"], ended["createdAt"]) == ("completed", made["taskId"], made["createdAt"])
    assert ended["result"]["structuredContent"] == {"answer": 42}
    assert ended["result"]["isError"] is False
    assert ended["ttlMs"] > 86_400_000


def test_a_task_that_fails_is_a_call_that_completed_with_an_error(url: str, acme: Tenant):
    made = acme.submit(task="long_task", payload={"seconds": 0, "fail_attempts": 1}, max_attempts=1)
    ended = _ended(url, acme, made)
    assert (ended["status"], ended["result"]["isError"]) == ("completed", True)
    assert "SimulatedFailure" in ended["statusMessage"]
    assert "SimulatedFailure" in ended["result"]["content"][0]["text"]


def test_a_cancelled_task_is_cancelled_and_a_second_cancel_is_acknowledged(url: str, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    waiting = _result(url, acme, "tasks/get", {"taskId": task_id})
    assert (waiting["status"], waiting["ttlMs"], waiting["statusMessage"]) == ("working", None, "It waits: SCHEDULED")
    for _ in range(2):
        assert _result(url, acme, "tasks/cancel", {"taskId": task_id})["resultType"] == "complete"
    assert _ended(url, acme, task_id)["status"] == "cancelled"


def test_an_update_is_acknowledged_since_no_task_asks_for_input(url: str, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1)
    answer = _result(url, acme, "tasks/update", {"taskId": task_id, "inputResponses": {"name": {"action": "accept"}}})
    assert answer["resultType"] == "complete"


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
def test_an_unknown_task_and_another_tenants_are_the_same_error(url: str, acme: Tenant, globex: Tenant, method: str):
    own = acme.submit(task="echo", payload=1, delay_seconds=3600)
    errors = [
        _send(url, globex, method, {"taskId": task_id, "inputResponses": {}})["error"]
        for task_id in (own, str(uuid.uuid4()), "4711")
    ]
    assert errors[0]["code"] == INVALID_PARAMS
    assert errors == errors[:1] * 3
    assert acme.status(own)["status"] == "PENDING"


def test_a_client_that_does_not_declare_the_extension_gets_no_task_and_may_not_ask_for_one(url: str, acme: Tenant):
    called = _send(url, acme, "tools/call", {"name": "echo", "arguments": {"payload": {"a": 1}}}, declared=False)
    assert called["result"]["resultType"] == "complete"
    assert called["result"]["structuredContent"] == {"a": 1}
    task_id = acme.submit(task="echo", payload=1)
    for method in ("tasks/get", "tasks/update", "tasks/cancel"):
        error = _send(url, acme, method, {"taskId": task_id, "inputResponses": {}}, declared=False)["error"]
        assert error["code"] == MISSING_CAPABILITY
        assert error["data"]["requiredCapabilities"]["extensions"] == {EXTENSION: {}}


def test_a_call_that_is_refused_is_a_result_and_no_task(url: str, acme: Tenant):
    refused = _result(url, acme, "tools/call", {"name": "long_task", "arguments": {"seconds": -1}})
    assert (refused["resultType"], refused["isError"]) == ("complete", True)
    assert "#/payload/seconds" in refused["content"][0]["text"]


def test_an_older_version_of_the_protocol_has_no_such_methods(url: str, acme: Tenant):
    body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": str(uuid.uuid4())}}
    headers = {
        "Authorization": f"Bearer {acme.api_key}", "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2025-06-18",
    }  # fmt: skip
    answer = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=40).json()
    assert answer["error"]["code"] == METHOD_NOT_FOUND


def test_a_call_that_is_sent_again_with_its_key_is_the_same_task(url: str, acme: Tenant):
    key = {"task-queue/idempotency-key": f"report-{uuid.uuid4()}"}
    body = {"name": "long_task", "arguments": {"seconds": 0.2, "steps": 1}}
    made = [_result(url, acme, "tools/call", {**body, "_meta": key})["taskId"] for _ in range(3)]
    assert made == made[:1] * 3
    other = _result(url, acme, "tools/call", {"name": "long_task", "arguments": {"seconds": 0.1}, "_meta": key})
    assert (other["isError"], other["content"][0]["text"].split(":")[0]) == (True, "idempotency_mismatch")
    assert _call(url, acme, "long_task", seconds=0.2, steps=1)["taskId"] != made[0]
