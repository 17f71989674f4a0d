"""The fast path answers as its twins do, the routes that the API document describes."""

import re
import subprocess
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.tasks import fast_path
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
def twins(stack: Stack) -> Iterator[str]:
    port = ports.free_port()
    url = f"http://127.0.0.1:{port}"
    stack.start("api-twins", "uvicorn", "tests.tasks.twins:app", "--port", str(port), "--no-access-log")
    try:
        wait_until(lambda: _answers(url), "the twins")
        yield url
    finally:
        stack.stop("api-twins")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@dataclass
class Side:
    """The api, or its twin, with a tenant of its own whose queue is paused: what is left of its backlog is certain."""

    url: str
    tenant: Tenant
    ids: dict[str, str]
    """``task`` and ``TASK`` have ended, ``waiting`` waits."""


@pytest.fixture(scope="module")
def sides(
    stack: Stack,
    twins: str,
    make_tenant: Callable[..., Tenant],
    admin: Callable[..., subprocess.CompletedProcess[str]],
) -> list[Side]:
    """Return both; each has submitted as many tasks as the other."""
    made = [Side(stack.url, make_tenant("fast", plan="pro"), {}), Side(twins, make_tenant("twin", plan="pro"), {})]
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
    """Return what sends one request to either and holds the answers equal."""

    def ask(method: str, path: Callable[[Side], str], headers: dict[str, str], content: bytes | None = None) -> None:
        answers = []
        for side in sides:
            sent = {"Authorization": f"Bearer {side.tenant.api_key}"} | headers
            answer = httpx.request(
                method, side.url + path(side), headers=sent, content=content, timeout=20, trust_env=False
            )
            answers.append(_comparable(answer))
        assert answers[0] == answers[1]

    return ask


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


def _scope(method: str, path: str, query: bytes = b"", *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"method": method, "path": path, "query_string": query, "headers": list(headers)}


@pytest.mark.parametrize(
    ("operation_id", "scope"),
    [
        ("submit_task", _scope("POST", "/api/tasks/submit", b"", (b"idempotency-key", b"one"))),
        ("get_task_status", _scope("GET", f"/api/tasks/{UNKNOWN}/status")),
        ("get_task_result", _scope("GET", f"/api/tasks/{UNKNOWN}/result", b"wait=30")),
        ("submit_tasks", _scope("POST", "/api/tasks/batch")),
        ("get_task_status", _scope("GET", f"/api/tasks/{UNKNOWN.upper()}/status")),
        (None, _scope("GET", "/api/tasks/submit")),
        (None, _scope("GET", "/api/tasks/batch")),
        (None, _scope("POST", "/api/tasks/submit", b"x=1")),
        (None, _scope("GET", f"/api/tasks/{UNKNOWN}/status", b"x=1")),
        (None, _scope("POST", "/api/tasks/submit", b"", (b"traceparent", b"x"))),
        (None, _scope("POST", "/api/tasks/submit", b"", (b"idempotency-key", b"a"), (b"idempotency-key", b"a"))),
        (None, _scope("POST", "/api/tasks/submit", b"", (b"idempotency-key", b'"a"'))),
        (None, _scope("GET", f"/api/tasks/{uuid.UUID(UNKNOWN).hex}/status")),
        (None, _scope("GET", f"/api/tasks/{UNKNOWN}/result", b"wait=30.5")),
        (None, _scope("GET", f"/api/tasks/{UNKNOWN}/result", b"", (b"prefer", b"wait=5"))),
    ],
)
def test_what_is_ordinary_takes_the_fast_path(operation_id: str | None, scope: dict[str, Any]):
    ordinary = fast_path._ordinary(scope)
    assert (ordinary and ordinary[0]) == operation_id
