"""Batches: an outcome for each task, in order, and none that refuses its neighbours."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.conftest import Stack, Tenant

PATH = "/api/tasks/batch"
WAITING = {"task": "echo", "delay_seconds": 600}
JSON = {"Content-Type": "application/json"}

# What a submit refuses, each for another reason.
REFUSED: list[Any] = [
    {"unknown": 1},
    {"task": "no.such"},
    {"task": 5, "priority": "9", "unknown~/": 1, "tags": [""]},
    {"priority": 10},
    {"payload": {"seconds": "x"}},
    {"payload": {"a/b": 1}},
    {"delay_seconds": 1, "scheduled_at": "2030-01-01T00:00:00Z"},
    {"scheduled_at": "2030-01-01T00:00:00"},
    {"scheduled_at": "9999-01-01T00:00:00Z"},
    {"scheduled_at": "0001-01-01T00:00:00+14:00"},
    {"webhook_url": "ftp://x"},
    {"webhook_url": "https://10.0.0.1/"},
    None,
    [],
    "text",
]


def _post(tenant: Tenant, *tasks: Any, **headers: str) -> httpx.Response:
    return tenant.client.post(PATH, json={"tasks": tasks}, headers=headers)


def _outcomes(answer: httpx.Response, status: int = 202) -> list[dict[str, Any]]:
    assert answer.status_code == status, answer.text
    return list(answer.json()["outcomes"])


def _count(tenant: Tenant, tag: str) -> int:
    page = tenant.client.get("/api/tasks", params={"tag": tag, "limit": 100}).json()
    assert page["next_cursor"] is None
    return len(page["items"])


def test_each_task_has_its_outcome_and_runs(acme: Tenant):
    asked = [{"task": "echo", "payload": number} for number in range(5)] + [{"payload": {"seconds": 0.1, "steps": 1}}]
    outcomes = _outcomes(_post(acme, *asked))
    assert [outcome["status"] for outcome in outcomes] == ["PENDING"] * 6
    results = [acme.result(outcome["task_id"])["result"] for outcome in outcomes]
    assert results == [0, 1, 2, 3, 4, {"seconds": 0.1, "steps": 1, "value": None}]


def test_what_is_asked_of_a_task_is_stored_of_that_task(acme: Tenant):
    asked: list[dict[str, Any]] = [
        {"delay_seconds": 600},
        {"task": "echo", "payload": {"ä": [1.5e300, None]}, "priority": 0, "tags": ["a", "b"], "delay_seconds": 5e5},
        {"task": "echo", "payload": 1, "scheduled_at": (datetime.now(UTC) + timedelta(days=9)).isoformat()},
        {"task": "echo", "delay_seconds": 600, "expires_seconds": 900, "timeout_seconds": 5, "max_attempts": 1},
        {"task": "echo", "delay_seconds": 600, "webhook_url": "https://hooks.example.com/x"},
    ]
    headers = {"traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01"}
    for body, outcome in zip(asked, _outcomes(_post(acme, *asked, **headers)), strict=True):
        single = acme.client.get(f"/api/tasks/{acme.submit(**body)}").json()
        stored = acme.client.get(f"/api/tasks/{outcome['task_id']}").json()
        differs = {"task_id", "created_at", "due_at", "scheduled_at", "expires_at"}
        assert {k: v for k, v in stored.items() if k not in differs} == {
            k: v for k, v in single.items() if k not in differs
        }
        assert {k: v is None for k, v in stored.items() if k in differs} == {
            k: v is None for k, v in single.items() if k in differs
        }


def test_a_bad_task_is_refused_as_a_submit_is_and_refuses_no_other(acme: Tenant):
    asked = [each for body in REFUSED for each in (body, WAITING | {"tags": ["neighbour"]})]
    outcomes = _outcomes(_post(acme, *asked))
    assert len({outcome["task_id"] for outcome in outcomes[1::2]}) == len(REFUSED) == _count(acme, "neighbour")
    for place, body in enumerate(REFUSED):
        alone = acme.client.post("/api/tasks/submit", content=json.dumps(body), headers=JSON).json()
        error = outcomes[2 * place]["error"]
        for name in ("code", "status", "title", "detail"):
            assert error[name] == alone[name]
        told = [(f"#/tasks/{2 * place}{fault['pointer'][1:]}", fault["detail"]) for fault in alone["errors"]]
        assert [(fault["pointer"], fault["detail"]) for fault in error["errors"]] == told


def test_a_payload_that_is_larger_than_the_plan_allows_is_refused_in_its_place(acme: Tenant):
    outcomes = _outcomes(_post(acme, WAITING | {"payload": "x" * 262_143}, WAITING | {"payload": "x" * 262_142}))
    assert outcomes[0]["error"]["errors"] == [
        {"pointer": "#/tasks/0/payload", "detail": "larger than the 262144 bytes of this plan"}
    ]
    assert outcomes[1]["status"] == "PENDING"


def test_a_batch_of_bad_tasks_only_is_answered_with_their_outcomes(acme: Tenant):
    outcomes = _outcomes(_post(acme, {"task": "no.such"}, 5))
    assert [outcome["error"]["code"] for outcome in outcomes] == ["invalid_request"] * 2


def test_of_many_faults_of_one_task_few_are_told(acme: Tenant):
    many = {f"m{number}": 0 for number in range(30_000)}
    outcomes = _outcomes(
        _post(acme, {f"m{number}": 0 for number in range(20)}, many, {"payload": many}, {"tags": [""]})
    )
    assert [len(outcome["error"]["errors"]) for outcome in outcomes] == [5, 1, 1, 1]
    assert [outcome["error"]["errors"][0]["pointer"] for outcome in outcomes[1:3]] == ["#/tasks/1", "#/tasks/2/payload"]


def test_a_thousand_tasks_are_one_batch_and_one_more_is_too_many(acme: Tenant):
    outcomes = _outcomes(_post(acme, *[WAITING] * 1000))
    ids = [outcome["task_id"] for outcome in outcomes]
    assert ids == sorted(set(ids))
    assert len(ids) == 1000
    assert acme.status(ids[-1])["status"] == "PENDING"
    refused = _post(acme, *[WAITING] * 1001)
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/tasks")


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b"", {}, 422, "invalid_request"),
        (b"null", {}, 422, "invalid_request"),
        (b"[{}]", {}, 422, "invalid_request"),
        (b"{}", {}, 422, "invalid_request"),
        (b'{"tasks": []}', {}, 422, "invalid_request"),
        (b'{"tasks": {}}', {}, 422, "invalid_request"),
        (b'{"tasks": [{}], "other": 1}', {}, 422, "invalid_request"),
        (b'{"tasks": [{}', {}, 400, "malformed_body"),
        (b'{"tasks": [{"payload": NaN}]}', {}, 400, "malformed_body"),
        (b'{"tasks": [{"task": "echo", "task": "echo"}]}', {}, 400, "malformed_body"),
        (b'{"tasks": [{"payload": "\\u0000"}]}', {}, 400, "malformed_body"),
        (b'{"tasks": [{}]}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"tasks": [{}]}', {"Content-Encoding": "gzip"}, 415, "unsupported_media_type"),
        (b'{"tasks": [{}]}', {"Idempotency-Key": "x" * 300}, 422, "invalid_request"),
        (b'{"tasks": [{}]}', {"Idempotency-Key": ""}, 422, "invalid_request"),
        (b'{"tasks": [{}]}', {"Authorization": "Bearer nobody"}, 401, "unauthenticated"),
        (b"x" * 2_000_000, {"Authorization": "Bearer nobody"}, 401, "unauthenticated"),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(
    acme: Tenant, content: bytes, headers: dict[str, str], status: int, code: str
):
    refused = acme.client.post(PATH, content=content, headers=JSON | headers)
    assert (refused.status_code, refused.json()["code"]) == (status, code)
    assert refused.headers["Content-Type"] == "application/problem+json"


def test_a_key_that_may_only_read_submits_no_batch(acme: Tenant):
    made = acme.client.post("/api/keys", json={"name": "reads", "scopes": ["tasks:read"]})
    assert made.status_code == 201, made.text
    refused = _post(acme, {}, Authorization=f"Bearer {made.json()['api_key']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def test_a_body_may_be_a_mebibyte_and_each_payload_what_the_plan_allows(acme: Tenant):
    largest = WAITING | {"payload": "x" * 262_142}
    tasks = [largest, largest, largest, WAITING | {"payload": ""}]
    room = 1024 * 1024 - len(json.dumps({"tasks": tasks}))
    tasks[3] = WAITING | {"payload": "x" * room}
    exact = json.dumps({"tasks": tasks}).encode()
    assert len(exact) == 1024 * 1024
    outcomes = _outcomes(acme.client.post(PATH, content=exact, headers=JSON))
    assert [outcome["status"] for outcome in outcomes] == ["PENDING"] * 4
    assert acme.client.get(f"/api/tasks/{outcomes[0]['task_id']}").json()["payload"] == largest["payload"]
    for content in (exact + b" ", iter([exact, b" "])):
        refused = acme.client.post(PATH, content=content, headers=JSON)
        assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
        assert "1048576 bytes" in refused.json()["detail"]


@pytest.mark.parametrize(("depth", "status"), [(31, 202), (32, 400)])
def test_a_payload_may_be_as_deep_as_in_a_submit(acme: Tenant, depth: int, status: int):
    task = b'{"task": "echo", "delay_seconds": 600, "payload": ' + b"[" * depth + b"]" * depth + b"}"
    alone = acme.client.post("/api/tasks/submit", content=task, headers=JSON)
    batch = acme.client.post(PATH, content=b'{"tasks": [' + task + b"]}", headers=JSON)
    assert (alone.status_code, batch.status_code) == (status, status)


def test_the_same_key_is_one_batch_and_its_replay_is_the_same_answer(acme: Tenant):
    asked = [WAITING | {"tags": ["once"]}, {"task": "no.such"}, WAITING | {"tags": ["once"]}]

    def post(_: int) -> httpx.Response:
        return _post(acme, *asked, **{"Idempotency-Key": "batch-once"})

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(post, range(16)))
    assert sorted(answer.status_code for answer in answers) == [200] * 15 + [202]
    assert len({answer.content for answer in answers}) == 1
    replays = [answer for answer in answers if answer.status_code == 200]
    assert {answer.headers["Idempotency-Replayed"] for answer in replays} == {"true"}
    assert _count(acme, "once") == 2
    # Its order and spaces apart, any other body is another request; so is a submit.
    again = acme.client.post(
        PATH, content=json.dumps({"tasks": asked}, indent=1), headers=JSON | {"Idempotency-Key": '"batch-once"'}
    )
    assert again.status_code == 200
    for path, body in ((PATH, {"tasks": asked[:2]}), ("/api/tasks/submit", WAITING)):
        other = acme.client.post(path, json=body, headers={"Idempotency-Key": "batch-once"})
        assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_key_of_a_submit_is_none_of_a_batch(acme: Tenant):
    assert acme.client.post("/api/tasks/submit", json=WAITING, headers={"Idempotency-Key": "single"}).status_code == 202
    other = _post(acme, WAITING, **{"Idempotency-Key": "single"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")


def test_a_batch_of_which_nothing_was_accepted_has_used_no_key_up(acme: Tenant):
    key = {"Idempotency-Key": "mended"}
    assert "error" in _outcomes(_post(acme, {"task": "no.such"}, **key))[0]
    assert "task_id" in _outcomes(_post(acme, WAITING, **key))[0]
    assert _post(acme, {"task": "no.such"}, **key).status_code == 422


def test_a_batch_is_its_tenants_own(acme: Tenant, globex: Tenant):
    key = {"Idempotency-Key": "of-both"}
    ours, theirs = (_outcomes(_post(tenant, WAITING, WAITING, **key)) for tenant in (acme, globex))
    for outcome in ours:
        assert acme.client.get(f"/api/tasks/{outcome['task_id']}").status_code == 200
        assert globex.client.get(f"/api/tasks/{outcome['task_id']}").status_code == 404
    assert not {outcome["task_id"] for outcome in ours} & {outcome["task_id"] for outcome in theirs}


def test_fifty_batches_at_once_and_submits_between_them_are_all_stored(
    stack: Stack, make_tenant: Callable[..., Tenant]
):
    tenants = [make_tenant("many-a"), make_tenant("many-b")]

    def post(number: int) -> list[str]:
        tenant = tenants[number % 2]
        tenant.submit(**WAITING)
        return [outcome["task_id"] for outcome in _outcomes(_post(tenant, *[WAITING] * 40))]

    with ThreadPoolExecutor(50) as threads:
        ids = [task_id for batch in threads.map(post, range(50)) for task_id in batch]
    assert len(set(ids)) == 50 * 40
    for tenant in tenants:
        held = {item["name"]: item["used"] for item in tenant.client.get("/api/limits").json()["items"]}
        assert (held["backlog"], held["tasks_per_day"]) == (25 * 41, 25 * 41)
