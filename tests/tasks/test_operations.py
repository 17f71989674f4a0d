"""The task calls answer as their table declares, from the dispatcher and through FastAPI's routing alike."""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.core.errors import InvalidRequest
from app.http import dispatcher
from app.http.operation import Operation
from app.main import EVERY_CALL
from app.tasks.operations import OPERATIONS
from scripts.stack import ports
from tests.conftest import Stack, Tenant, wait_until

JSON = {"Content-Type": "application/json"}
UNKNOWN = "0198c5f2-7d1e-7c33-9a51-0f5b6c1de001"
_OF_THE_REQUEST = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

SUBMITS: list[tuple[bytes, dict[str, str]]] = [
    (b'{"task": "echo", "payload": {"a": [1, 2.5, null]}, "delay_seconds": 3600}', {}),
    (b'{"delay_seconds": 3600}', {}),
    (b'{"task": "echo", "delay_seconds": 3600}', {"Idempotency-Key": "a-key"}),
    (b'{"task": "echo", "delay_seconds": 3600}', {"Idempotency-Key": "a-key"}),
    (b'{"task": "echo", "delay_seconds": 1800}', {"Idempotency-Key": "a-key"}),
    (b'{"task": "echo", "delay_seconds": 3600}', {"Idempotency-Key": '"a-key"'}),
    (b"{}", {"Idempotency-Key": ""}),
    (b"{}", {"Idempotency-Key": "x" * 300}),
    (b'{"delay_seconds": 3600}', {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}),
    (b"{}", {"traceparent": "nonsense"}),
    (b"", {}),
    (b"null", {}),
    (b"[]", {}),
    (b'"text"', {}),
    (b"{", {}),
    (b'{"payload": NaN}', {}),
    (b'{"task": 5, "priority": "9", "unknown~/": 1, "tags": [""]}', {}),
    (b'{"task": "no.such"}', {}),
    (b'{"payload": {"seconds": "x"}}', {}),
    (b'{"scheduled_at": "2030-01-01T00:00:00"}', {}),
    (b'{"webhook_url": "ftp://x"}', {}),
    (b"{}", {"Content-Type": "text/plain"}),
    (b"{}", {"Content-Type": "application/json; charset=latin-1"}),
    (b'{"delay_seconds": 3600}', {"Content-Type": "application/json; charset=utf-8"}),
    (b"{}", {"Content-Encoding": "gzip"}),
    (b'{"delay_seconds": 3600}', {"Content-Encoding": "identity"}),
    (b"x" * 300_000, {}),
    (b"{}", {"Authorization": "Bearer nobody"}),
    (b"{}", {"Authorization": "Basic abc"}),
    (b"{}", {"X-API-Key": "nobody"}),
]
BATCHES: list[tuple[bytes, dict[str, str]]] = [
    (b'{"tasks": [{"task": "echo", "payload": {"a": [1, 2.5, null]}, "delay_seconds": 3600}]}', {}),
    (b'{"tasks": [{"task": "no.such"}, {"delay_seconds": 3600}, 5, {"tags": [""], "x": 1}]}', {}),
    (b'{"tasks": [{"delay_seconds": 3600}, {}]}', {"Idempotency-Key": "a-batch"}),
    (b'{"tasks": [{"delay_seconds": 3600}, {}]}', {"Idempotency-Key": "a-batch"}),
    (b'{"tasks": [{"delay_seconds": 3600}]}', {"Idempotency-Key": "a-batch"}),
    (b'{"tasks": [{"delay_seconds": 3600}, {}]}', {"Idempotency-Key": '"a-batch"'}),
    (b'{"tasks": [{"task": "no.such"}]}', {}),
    (b'{"tasks": [{}]}', {"Idempotency-Key": "x" * 300}),
    (b'{"tasks": [{}]}', {"traceparent": "nonsense"}),
    (b'{"tasks": [{"delay_seconds": 3600}]}', {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}),
    (b'{"tasks": [' + b",".join([b'{"delay_seconds":3600}'] * 300) + b"]}", {}),
    (b'{"tasks": [' + b",".join([b"{}"] * 1001) + b"]}", {}),
    (b'{"tasks": []}', {}),
    (b'{"tasks": {}, "other": 1}', {}),
    (b"{}", {}),
    (b"", {}),
    (b"null", {}),
    (b"[]", {}),
    (b"{", {}),
    (b'{"tasks": [{}]}', {"Content-Type": "text/plain"}),
    (b'{"tasks": [{}]}', {"Authorization": "Bearer nobody"}),
    (b"x" * 1_100_000, {}),
]
READS = [
    "{task}/status",
    "{task}/result",
    "{task}/result?wait=0",
    "{task}/result?wait=31",
    "{task}/result?wait=x",
    "{task}/result?wait=0&wait=1",
    "{waiting}/status",
    "{waiting}/result",
    "{waiting}/result?wait=1",
    "{waiting}/result?wait=0.5",
    "{task}/status?x=1",
    "{task}/status?",
    "{task}/result?x=1",
    "{task}/result?wait=1&x=1",
    "{TASK}/status",
    "{TASK}/result",
    f"{UNKNOWN}/status",
    f"{UNKNOWN}/result",
    f"{UNKNOWN.upper()}/result",
    "nonsense/status",
]


@pytest.fixture(scope="module")
def routed(stack: Stack) -> Iterator[str]:
    """Return the address of an api without its dispatcher."""
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    stack.start("api-routed", "uvicorn", "tests.tasks.routed:app", "--port", str(port), "--no-access-log")
    try:
        wait_until(lambda: _answers(url), "the routed api")
        yield url
    finally:
        stack.stop("api-routed")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Side:
    """An api with a tenant of its own whose queue is paused: what is left of its backlog is certain."""

    url: str
    tenant: Tenant
    ids: dict[str, str]
    """``task`` and ``TASK`` have ended, ``waiting`` waits."""


@pytest.fixture(scope="module")
def sides(
    stack: Stack,
    routed: str,
    make_tenant: Callable[..., Tenant],
    admin: Callable[..., subprocess.CompletedProcess[str]],
) -> list[Side]:
    """Return both; each has submitted as many tasks as the other."""
    made = [
        Side(stack.url, make_tenant("dispatched", plan="pro"), {}),
        Side(routed, make_tenant("routed", plan="pro"), {}),
    ]
    # One that waited behind another task may have been given back, and has another number.
    while {side.tenant.status(side.ids["task"])["attempt"] for side in made if side.ids} != {1}:
        for side in made:
            side.ids["task"] = side.tenant.submit(task="echo", payload={"text": "ä\u2028"})
        for side in made:
            side.tenant.result(side.ids["task"])
    for side in made:
        side.ids |= {"TASK": side.ids["task"].upper(), "waiting": side.tenant.submit(task="echo", delay_seconds=3600)}
        assert admin("queue", "pause", side.tenant.slug).returncode == 0
    return made


@pytest.fixture(scope="module")
def both(sides: list[Side]) -> Callable[..., None]:
    """Return what sends one request to either, and holds the answers equal and declared."""

    def ask(method: str, path: Callable[[Side], str], headers: dict[str, str], content: bytes | None = None) -> None:
        answers = []
        for side in sides:
            sent = {"Authorization": f"Bearer {side.tenant.api_key}"} | headers
            answer = httpx.request(
                method, side.url + path(side), headers=sent, content=content, timeout=20, trust_env=False
            )
            answers.append(_comparable(answer))
            _check_declared(_operation(method, httpx.URL(side.url + path(side)).path), answer)
        assert answers[0] == answers[1]

    return ask


def _operation(method: str, path: str) -> Operation:
    parts = path.split("/")
    templates = [operation for operation in OPERATIONS if operation.method == method]
    fits = [each for each in templates if _fits(each.path.split("/"), parts)]
    return min(fits, key=lambda each: each.path.count("{"))


def _fits(template: list[str], parts: list[str]) -> bool:
    pairs = zip(template, parts, strict=False)
    return len(template) == len(parts) and all(one == other or one.startswith("{") for one, other in pairs)


def _check_declared(operation: Operation, answer: httpx.Response) -> None:
    if answer.status_code in operation.answers:
        declared = operation.answers[answer.status_code]
        found = declared.model.model_validate_json(answer.text)
        assert found.model_dump(mode="json", exclude_unset=True) == answer.json()
        assert {name for name in declared.headers if name not in answer.headers} == set()
    else:
        problems = {(kind.code, kind.status) for kind in (*operation.problems, *EVERY_CALL, InvalidRequest)}
        assert (answer.json()["code"], answer.status_code) in problems


def _comparable(answer: httpx.Response) -> tuple[int, str, dict[str, str]]:
    def masked(text: str) -> str:
        return re.sub(r"\d{4}-\d\d-\d\dT[0-9:.]+Z", "TIME", _OF_THE_REQUEST.sub("ID", text))

    headers = {name: masked(value) for name, value in answer.headers.items() if name not in {"date", "content-length"}}
    # What is left of a rate depends on the moment.
    headers = {name: re.sub(r'("rate";r=)\d+|;t=\d+', r"\1", value) for name, value in headers.items()}
    return answer.status_code, masked(answer.text), headers


@pytest.mark.parametrize("number", range(len(SUBMITS)))
def test_a_submit_is_answered_alike(both: Callable[..., None], number: int):
    content, headers = SUBMITS[number]
    both("POST", lambda _: "/api/tasks/submit", JSON | headers, content)


@pytest.mark.parametrize("number", range(len(BATCHES)))
def test_a_batch_is_answered_alike(both: Callable[..., None], number: int):
    content, headers = BATCHES[number]
    both("POST", lambda _: "/api/tasks/batch", JSON | headers, content)


@pytest.mark.parametrize("path", READS)
def test_a_read_is_answered_alike(both: Callable[..., None], path: str):
    both("GET", lambda side: "/api/tasks/" + path.format(**side.ids), {})


def test_reads_of_others_are_answered_alike(both: Callable[..., None], acme: Tenant):
    others = acme.submit(task="echo", payload="secret")
    for name in ("status", "result"):
        both("GET", lambda _, name=name: f"/api/tasks/{others}/{name}", {})
        both("GET", lambda _, name=name: f"/api/tasks/{others}/{name}", {"Authorization": "Bearer nobody"})
        both("GET", lambda _, name=name: f"/api/tasks/{others}/{name}", {"Prefer": "wait=1"})


def _scope(method: str, path: str) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path}


@pytest.mark.parametrize(
    ("operation_id", "method", "path"),
    [
        ("submit_task", "POST", "/api/tasks/submit"),
        ("submit_tasks", "POST", "/api/tasks/batch"),
        ("list_tasks", "GET", "/api/tasks"),
        ("list_task_types", "GET", "/api/task-types"),
        ("get_task", "GET", f"/api/tasks/{UNKNOWN}"),
        ("get_task_status", "GET", f"/api/tasks/{UNKNOWN.upper()}/status"),
        ("get_task_result", "GET", "/api/tasks/nonsense/result"),
        ("cancel_task", "POST", f"/api/tasks/{UNKNOWN}/cancel"),
        ("retry_task", "POST", f"/api/tasks/{UNKNOWN}/retry"),
        (None, "GET", "/api/tasks/submit"),
        (None, "GET", "/api/tasks/batch"),
        (None, "HEAD", "/api/tasks"),
        (None, "POST", f"/api/tasks/{UNKNOWN}/status"),
        (None, "GET", f"/api/tasks/{UNKNOWN}/status/"),
        (None, "GET", "/api/tasks//status"),
        (None, "GET", "/api/keys"),
    ],
)
def test_the_dispatcher_finds_each_operation_and_nothing_else(operation_id: str | None, method: str, path: str):
    async def other(scope: Any, receive: Any, send: Any) -> None:
        """Nothing is answered here."""

    found = dispatcher.Dispatcher(other, dispatcher.router(OPERATIONS, "tasks").routes, {}).find(_scope(method, path))
    assert (found and found.operation.id) == operation_id
