"""What people do wrong in their first hour, one request each: the answer names the fault and the next step."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.conftest import Stack, Tenant

ID = "0198c5f2-7d1e-7c33-9a51-0f5b6c1de001"
SUBMIT, TASKS = "/api/tasks/submit", "/api/tasks"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Mistake:
    """A request that is wrong, the status and code of its answer, and texts that the answer has."""

    method: str
    path: str
    status: int
    code: str
    told: tuple[str, ...]
    body: Any = None
    """Text is sent as it is, everything else as JSON."""
    headers: dict[str, str] = field(default_factory=dict)
    key: str | None = "{key}"
    """What stands behind ``Bearer``; None sends no Authorization header."""


def _get(path: str, *told: str, status: int = 422, code: str = "invalid_request", **more: Any) -> Mistake:
    return Mistake("GET", path, status, code, told, **more)


def _submit(body: Any, *told: str, status: int = 422, code: str = "invalid_request", **more: Any) -> Mistake:
    return Mistake("POST", SUBMIT, status, code, told, body, **more)


def _key(key: str | None, *told: str, **more: Any) -> Mistake:
    return _get(TASKS, *told, status=401, code="unauthenticated", key=key, **more)


def _method(method: str, path: str, *told: str) -> Mistake:
    return Mistake(method, path, 405, "method_not_allowed", told)


def _address(method: str, path: str, *told: str) -> Mistake:
    return Mistake(method, path, 404, "not_found", told)


HOW = "Authorization: Bearer"
EXAMPLE = "2027-01-31T09:00:00Z"
EMPTY = "The body is empty. Send a JSON object, for example {}"
MISTAKES = {
    # Credentials.
    "no key": _key(None, "Send an API key", HOW),
    "another scheme": _key(None, HOW, headers={"Authorization": "Basic dTpw"}),
    "a bare key": _key(None, HOW, headers={"Authorization": "{key}"}),
    "a wrong key": _key("nothing", "is invalid, expired or revoked"),
    "a key that was cut off": _key("{cut}", "is not complete", "copy all of its 67 characters"),
    "a key in quotes": _key('"{key}"', "is in quotes", "without them"),
    "a key in brackets": _key("<{key}>", "is in quotes or brackets"),
    "a key in the URL": _get(f"{TASKS}?api_key={{key}}", HOW, "never in the URL", "Replace this key", status=401, code="unauthenticated", key=None),
    "two credentials": _get(TASKS, "more than once", "Send one", status=400, headers={"X-API-Key": "{key}"}),
    "an access token as key": _key(None, "is invalid", headers={"X-API-Key": "a.b.c"}),
    # Bodies.
    "a wrong type in the payload": _submit({"payload": {"seconds": "5"}}, "#/payload/seconds", "valid number"),
    "a member of the payload that is unknown": _submit({"payload": {"secnds": 5}}, "#/payload/secnds", "Did you mean seconds?"),
    "a member of the payload that is nothing close": _submit({"payload": {"x": 5}}, "#/payload/x", "There is no such member"),
    "an unknown task type": _submit({"task": "no.such.type"}, "#/task", "is unknown", "GET /api/task-types"),
    "a task type with a typing error": _submit({"task": "ehco"}, "Did you mean echo?"),
    "a task type in other case": _submit({"task": "LongTask"}, "Did you mean long_task?"),
    "an option with a typing error": _submit({"payoad": {}}, "#/payoad", "no such member", "Did you mean payload?"),
    "an option of another product": _submit({"queue": "high"}, "#/queue", "There is no such member"),
    "no Content-Type": _submit("{}", "Content-Type: application/json", status=415, code="unsupported_media_type", headers={"Content-Type": "text/plain"}),
    "a form": _submit("a=b", "Content-Type: application/json", status=415, code="unsupported_media_type", headers={"Content-Type": "application/x-www-form-urlencoded"}),
    "an empty body": _submit("", EMPTY, headers=JSON),
    "an empty body of another call": Mistake("POST", "/api/keys", 422, "invalid_request", (EMPTY,), "", headers=JSON),
    "single quotes": _submit("{'task': 'echo'}", "not JSON", "line 1, column 2", status=400, code="malformed_body", headers=JSON),
    "a trailing comma": _submit('{"task": "echo",}', "line 1, column", status=400, code="malformed_body", headers=JSON),
    "a member twice": _submit('{"task": "echo", "task": "echo"}', "member twice", status=400, code="malformed_body", headers=JSON),
    "NaN": _submit('{"task": "echo", "payload": NaN}', "not JSON. Send null", status=400, code="malformed_body", headers=JSON),
    "a list": _submit([{"task": "echo"}], "#", "Input should be an object"),
    "a text": _submit('"echo"', "Input should be an object", headers=JSON),
    "a body that is too large": _submit({"task": "echo", "payload": "x" * 300_000}, "larger than 262144 bytes", "send its address", status=413, code="payload_too_large"),
    "an empty batch": Mistake("POST", "/api/tasks/batch", 422, "invalid_request", ("#/tasks", "at least 1 item"), {"tasks": []}),
    "a task in a batch that is none": Mistake("POST", "/api/tasks/batch", 202, "", ("#/tasks/0/tsk", "Did you mean task?"), {"tasks": [{"tsk": "echo"}]}),
    # Options.
    "a priority as text": _submit({"priority": "high"}, "#/priority", "integer"),
    "a priority out of range": _submit({"priority": 10}, "#/priority", "less than or equal to 9"),
    "a delay and a time": _submit({"delay_seconds": 1, "scheduled_at": EXAMPLE}, "not both"),
    "a time without an offset": _submit({"scheduled_at": "2027-01-31T09:00:00"}, "#/scheduled_at", EXAMPLE),
    "a date as a time": _submit({"scheduled_at": "2027-01-31"}, EXAMPLE),
    "a time in seconds": _submit({"scheduled_at": 1_800_000_000}, EXAMPLE),
    "a webhook that is no URL": _submit({"webhook_url": "example.com/hook"}, "#/webhook_url", "https://"),
    "a webhook to a private network": _submit({"webhook_url": "https://10.0.0.7/hook"}, "#/webhook_url"),
    "too many tags": _submit({"tags": [str(number) for number in range(11)]}, "#/tags", "at most 10 items"),
    "tags as text": _submit({"tags": "nightly"}, "#/tags", "Input should be a list"),
    # Lists.
    "an unknown parameter": _get(f"{TASKS}?page=2", '"parameter":"page"', "no such parameter", "It takes created_from, created_to, cursor"),
    "a parameter with a typing error": _get(f"{TASKS}?limt=5", "Did you mean limit?"),
    "a parameter of a call that has none": _get("/api/limits?all=true", "It takes none"),
    "a status in small letters": _get(f"{TASKS}?status=success", '"parameter":"status"', "SUCCESS"),
    "a status twice": _get(f"{TASKS}?status=SUCCESS&status=FAILURE", "Send this parameter once", "separate them with commas"),
    "a limit that is too high": _get(f"{TASKS}?limit=1000", "less than or equal to 100"),
    "a wait that is too long": _get(f"{TASKS}/{ID}/result?wait=60", "less than or equal to 30"),
    "a date as a time of a list": _get(f"{TASKS}?created_from=2026-11-01", EXAMPLE, "%2B"),
    "a + that is not written as %2B": _get(f"{TASKS}?created_from=2026-11-01T00:00:00+00:00", EXAMPLE, "write + as %2B, or use Z"),
    "a time of a list in seconds": _get(f"{TASKS}?created_from=1700000000", EXAMPLE),
    "a day that is none": _get("/api/usage?from=yesterday", "2027-01-31"),
    "a cursor of one's own": _get(f"{TASKS}?cursor=2", "Start again without a cursor", status=400, code="invalid_cursor"),
    # Addresses and methods.
    "GET of a submit": _method("GET", SUBMIT, "use POST /api/tasks/submit"),
    "GET of a batch": _method("GET", "/api/tasks/batch", "use POST /api/tasks/batch"),
    "POST of the list": _method("POST", TASKS, "To submit a task, use POST /api/tasks/submit"),
    "PUT of a task": _method("PUT", f"{TASKS}/{ID}", "PATCH /api/tasks/{task_id}"),
    "a submit with a typing error": _method("POST", "/api/tasks/sumbit", "Did you mean POST /api/tasks/submit?"),
    "OPTIONS": _method("OPTIONS", SUBMIT, "use POST /api/tasks/submit"),
    "a version in the path": _address("POST", "/api/v1/tasks/submit", "Did you mean POST /api/tasks/submit?"),
    "a version in place of api": _address("GET", "/v1/tasks", "Did you mean GET /api/tasks?"),
    "no api in the path": _address("POST", "/tasks/submit", "Did you mean POST /api/tasks/submit?"),
    "a slash at the end": _address("GET", f"{TASKS}/", "Did you mean GET /api/tasks?"),
    "one letter too few": _address("GET", "/api/task", "Did you mean GET /api/tasks?"),
    "one letter too many": _address("GET", f"{TASKS}/{ID}/results", "Did you mean GET /api/tasks/{task_id}/result?"),
    "an address that is nothing": _address("GET", "/jobs", "See /openapi.json"),
    "an id that is none": _address("GET", f"{TASKS}/4711/status", "There is no such task", "GET /api/tasks"),
    "an unknown id": _address("POST", f"{TASKS}/{ID}/cancel", "There is no such task", "GET /api/tasks"),
    "JSON for a token": Mistake("POST", "/api/auth/token", 400, "invalid_request", ("Content-Type: application/x-www-form-urlencoded",), {"grant_type": "client_credentials"}, key=None),
}  # fmt: skip


def test_there_are_at_least_as_many_as_people_were_seen_to_make():
    assert len(MISTAKES) >= 62


@pytest.fixture(scope="module")
def client(stack: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.url, timeout=40, trust_env=False) as made:
        yield made


@pytest.mark.parametrize("name", MISTAKES)
def test_the_answer_names_the_fault_and_the_next_step(client: httpx.Client, acme: Tenant, name: str):
    mistake = MISTAKES[name]

    def filled(text: str) -> str:
        return text.replace("{key}", acme.api_key).replace("{cut}", acme.api_key[:-9])

    headers = {header: filled(value) for header, value in mistake.headers.items()}
    if mistake.key is not None:
        headers["Authorization"] = f"Bearer {filled(mistake.key)}"
    body = {} if mistake.body is None else {"content" if isinstance(mistake.body, str) else "json": mistake.body}
    answer = client.request(mistake.method, filled(mistake.path), headers=headers, **body)
    assert answer.status_code == mistake.status, answer.text
    text = json.dumps(answer.json(), ensure_ascii=False, separators=(",", ":"))
    assert [part for part in mistake.told if part not in text] == [], text
    if mistake.code:
        told = answer.json()
        assert told.get("code", told.get("error")) == mistake.code
    assert acme.api_key[20:40] not in answer.text
