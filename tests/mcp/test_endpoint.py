"""``/mcp`` by the client of its own package: old and new versions of the protocol; and who may call it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent
from starlette.requests import Request

from app.core.errors import InvalidRequest, OriginRefused, TooManyStreams
from app.mcp.endpoint import Mcp, read_message
from app.tasks.large_bodies import LargeBodies
from tests.conftest import Stack, Tenant

MODES: list[Any] = ["2026-07-28", "legacy"]


@asynccontextmanager
async def _client(url: str, key: str, mode: Any = "auto", **more: str) -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {key}"} | more
    async with (
        httpx2.AsyncClient(headers=headers, trust_env=False, timeout=60) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode) as client,
    ):
        yield client


def _text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@pytest.mark.parametrize("mode", MODES)
async def test_each_task_type_is_a_tool_that_runs(url: str, acme: Tenant, mode: Any):
    async with _client(url, acme.api_key, mode) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert {"echo", "long_task", "get-task", "cancel-task"} <= tools.keys()
        assert tools["long_task"].input_schema["properties"]["seconds"]["maximum"] == 600
        assert tools["echo"].input_schema["required"] == ["payload"]
        echoed = await client.call_tool("echo", {"payload": {"answer": "ü", "list": [1]}})
        assert (echoed.structured_content, echoed.is_error) == ({"answer": "ü", "list": [1]}, False)
        assert _text(await client.call_tool("echo", {"payload": "plain"})) == "plain"
        ran = await client.call_tool("long_task", {"seconds": 0, "steps": 1})
        assert ran.structured_content == {"seconds": 0.0, "steps": 1, "value": None}


@pytest.mark.parametrize("mode", MODES)
async def test_what_is_wrong_is_a_result_that_an_agent_can_read(url: str, acme: Tenant, mode: Any):
    async with _client(url, acme.api_key, mode) as client:
        for name, arguments, told in (
            ("long_task", {"secnds": 1}, "#/payload/secnds: There is no such member. Correct its name, or leave it out. Did you mean seconds?"),
            ("long_task", {"seconds": -1}, "#/payload/seconds"),
            ("no.such.tool", {}, "tools/list"),
            ("echo", {"text": 1}, "one argument, payload"),
            ("get-task", {"task_id": str(uuid.uuid4())}, "not_found"),
            ("get-task", {}, "Send task_id"),
            ("get-task", {"task_id": str(uuid.uuid4()), "wait_seconds": 60}, "0 to 25"),
            ("cancel-task", {"task_id": "4711"}, "not_found"),
        ):  # fmt: skip
            result = await client.call_tool(name, arguments)
            assert result.is_error
            assert told in _text(result)


@pytest.mark.parametrize("mode", MODES)
async def test_calls_with_one_idempotency_key_make_one_task_also_at_once_and_over_the_api(
    url: str, acme: Tenant, mode: Any
):
    key, tag = f"order-{uuid.uuid4()}", str(uuid.uuid4())
    meta: Any = {"task-queue/idempotency-key": key}
    async with _client(url, acme.api_key, mode) as client:
        calls = (client.call_tool("echo", {"payload": {"tag": tag}}, meta=meta) for _ in range(4))
        assert [result.structured_content for result in await asyncio.gather(*calls)] == [{"tag": tag}] * 4
        mismatch = await client.call_tool("echo", {"payload": 2}, meta=meta)
        assert _text(mismatch).startswith("idempotency_mismatch: ")
        for wrong in (7, "", "ä", "x" * 256):
            refused = await client.call_tool("echo", {"payload": 1}, meta={"task-queue/idempotency-key": wrong})
            assert refused.is_error
            assert "1 to 255 printable ASCII characters" in _text(refused)
    body = {"task": "echo", "payload": {"tag": tag}}
    again = acme.client.post("/api/tasks/submit", json=body, headers={"Idempotency-Key": key})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (200, "true")
    task_id = again.json()["task_id"]
    since = acme.client.get(f"/api/tasks/{task_id}").json()["created_at"]
    listed = acme.client.get("/api/tasks", params={"task": "echo", "created_from": since}).json()["items"]
    assert [task["task_id"] for task in listed] == [task_id]


async def test_a_task_is_followed_and_cancelled_by_tools(url: str, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    async with _client(url, acme.api_key) as client:
        assert '"waiting_reason": "SCHEDULED"' in _text(await client.call_tool("get-task", {"task_id": task_id}))
        assert "is cancelled" in _text(await client.call_tool("cancel-task", {"task_id": task_id}))
        ended = await client.call_tool("get-task", {"task_id": task_id, "wait_seconds": 25})
        assert (ended.is_error, _text(ended)) == (True, "Cancelled: cancelled on request")
        done = acme.submit(task="echo", payload=1)
        assert _text(await client.call_tool("get-task", {"task_id": done, "wait_seconds": 25})) == "1"
        assert "illegal_state" in _text(await client.call_tool("cancel-task", {"task_id": done}))
    assert acme.status(task_id)["status"] == "REVOKED"


async def test_another_tenants_task_is_an_unknown_one(url: str, acme: Tenant, globex: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    async with _client(url, globex.api_key) as client:
        for name in ("get-task", "cancel-task"):
            foreign = await client.call_tool(name, {"task_id": task_id})
            unknown = await client.call_tool(name, {"task_id": str(uuid.uuid4())})
            assert foreign.is_error
            assert foreign.content == unknown.content
    assert acme.status(task_id)["status"] == "PENDING"


async def test_the_scopes_of_the_key_count(url: str, acme: Tenant):
    def key(*scopes: str) -> str:
        made = acme.client.post("/api/keys", json={"name": "mcp", "scopes": list(scopes), "expires_days": 1})
        return str(made.json()["api_key"])

    async with _client(url, key("tasks:read")) as reader:
        assert (await reader.list_tools()).tools
        refused = await reader.call_tool("echo", {"payload": 1})
        assert refused.is_error
        assert "insufficient_scope: This needs credentials with the scope tasks:write." in _text(refused)
    async with _client(url, key("tasks:write")) as writer:
        with pytest.raises(Exception, match="scope tasks:read"):
            await writer.list_tools()


def test_quotas_count(url: str, limited: Callable[..., Tenant]):
    tenant = limited(tasks_per_day=1)

    async def run() -> None:
        async with _client(url, tenant.api_key) as client:
            assert not (await client.call_tool("echo", {"payload": 1})).is_error
            refused = await client.call_tool("echo", {"payload": 1})
            assert _text(refused).startswith("daily_quota: ")

    asyncio.run(run())


def test_a_call_that_does_not_wait_for_the_end_tells_the_id(url: str, limited: Callable[..., Tenant]):
    # None of its tasks starts.
    tenant = limited(running=0)

    async def run() -> str:
        async with _client(url, tenant.api_key, Prefer="wait=0") as client:
            told = _text(await client.call_tool("echo", {"payload": 1}))
            assert "was accepted, and has not ended yet. Call get-task with this task_id" in told
            return told.split()[2]

    assert tenant.status(asyncio.run(run()))["status"] == "PENDING"


PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


def _post(url: str, key: str | None, **more: Any) -> httpx.Response:
    headers = {"Accept": "application/json, text/event-stream"} | more.pop("headers", {})
    if key:
        headers["Authorization"] = f"Bearer {key}"
    content = more or {"json": PING}
    return httpx.post(url, headers=headers, trust_env=False, timeout=40, **content)


def test_each_call_is_authenticated_and_counted(url: str, acme: Tenant, limited: Callable[..., Tenant]):
    for key in (None, "nothing"):
        refused = _post(url, key)
        assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    answer = _post(url, limited().api_key)
    assert (answer.status_code, answer.json()["result"]) == (200, {})
    assert '"rate";r=' in answer.headers["RateLimit"]
    # No session is begun, so none can be taken over.
    assert "mcp-session-id" not in answer.headers


def test_pages_of_other_origins_are_refused_and_nothing_is_allowed_by_cors(url: str, acme: Tenant):
    own = url.removesuffix("/mcp")
    assert _post(url, acme.api_key, headers={"Origin": own}).status_code == 200
    for origin in ("https://app.example.com", "http://evil.example.com", "null", f"{own}.evil.example.com"):
        refused = _post(url, acme.api_key, headers={"Origin": origin})
        assert (refused.status_code, refused.json()["code"]) == (403, "origin_refused")
        preflight = httpx.options(
            url, headers={"Origin": origin, "Access-Control-Request-Method": "POST"}, trust_env=False
        )
        assert preflight.status_code in {403, 405}
        for answer in (refused, preflight):
            assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize("origin", ["http://[", "http://[::1", "http://a]b", "null", ""])
@pytest.mark.parametrize("host", [(), ((b"host", b"tasks.example.com"),)], ids=["no_host", "host"])
async def test_an_origin_that_is_none_is_refused_before_anything_else(
    origin: str, host: tuple[tuple[bytes, bytes], ...]
):
    scope = {
        "type": "http", "method": "POST", "path": "/mcp", "root_path": "", "query_string": b"",
        "headers": [*host, (b"origin", origin.encode())],
    }  # fmt: skip
    with pytest.raises(OriginRefused):
        await Mcp().handle(scope, _unused, _unused)


async def _unused(*_: Any) -> Any:
    raise AssertionError("nothing is read or answered")


@pytest.mark.parametrize(("values", "is_large"), [(1, False), (4_000, True)])
async def test_a_large_message_has_the_tenant_wait_before_its_next_one(values: int, is_large: bool):
    bodies, tenant = LargeBodies(), uuid.uuid4()
    request = _request(json.dumps(PING | {"params": {"values": [[]] * (values // 2)}}).encode())
    try:
        assert json.loads(await read_message(request, bodies, tenant))["method"] == "ping"
        await asyncio.sleep(0)
        # Others do not wait for it.
        assert (tenant in bodies._tenants) is is_large
    finally:
        bodies.close()


async def test_a_message_with_very_many_values_is_refused_without_being_parsed():
    bodies = LargeBodies()
    with pytest.raises(InvalidRequest):
        await read_message(_request(b"[" * 6_000), bodies, uuid.uuid4())
    bodies.close()


def _request(body: bytes) -> Request:
    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    return Request({"type": "http", "method": "POST", "path": "/mcp", "headers": headers}, receive)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_there_is_no_session_to_open_or_to_end(url: str, acme: Tenant, method: str):
    refused = httpx.request(method, url, headers={"Authorization": f"Bearer {acme.api_key}"}, trust_env=False)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")


def test_a_body_is_read_as_strictly_as_those_of_the_api(url: str, acme: Tenant):
    for content, status in ((b'{"jsonrpc": NaN}', 400), (b"", 400), (b"x" * 300_000, 413), (b"[" * 6_000, 422)):
        refused = _post(url, acme.api_key, content=content, headers={"Content-Type": "application/json"})
        assert refused.status_code == status
    assert _post(url, acme.api_key, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415


def test_agents_are_told_where_it_is(url: str):
    assert "(/mcp)" in httpx.get(url.replace("/mcp", "/llms.txt"), trust_env=False).text


def test_an_api_without_it_has_nothing_there(stack: Stack, acme: Tenant):
    assert _post(f"{stack.url}/mcp", acme.api_key).status_code == 404


async def test_a_tenant_has_ten_calls_open_at_once():
    async def hold(begun: asyncio.Event, end: asyncio.Event) -> None:
        with endpoint._place(tenant):
            begun.set()
            await end.wait()

    endpoint, tenant, end = Mcp(), uuid.uuid4(), asyncio.Event()
    for _ in range(2):
        begun = [asyncio.Event() for _ in range(10)]
        tasks = [asyncio.create_task(hold(event, end)) for event in begun]
        for event in begun:
            await event.wait()
        with pytest.raises(TooManyStreams), endpoint._place(tenant):
            pass
        with endpoint._place(uuid.uuid4()):
            end.set()
        await asyncio.gather(*tasks)
        assert not endpoint._open
        end.clear()
