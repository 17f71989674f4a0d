"""A member that is null is as good as missing, in each POST body; in a PATCH it clears."""

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from app.identity.scopes import MEANINGS
from tests.conftest import ROOT, Tenant

DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
SCHEMAS = DOCUMENT["components"]["schemas"]
OPTIONAL = ["priority", "delay_seconds", "scheduled_at", "expires_seconds", "max_attempts", "timeout_seconds", "tags", "webhook_url"]  # fmt: skip
ALL_NULL = dict.fromkeys(OPTIONAL)


def _request_schemas(method: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for path in DOCUMENT["paths"].values():
        content = path.get(method, {}).get("requestBody", {}).get("content", {}).get("application/json", {})
        waiting = [content.get("schema", {})]
        while waiting:
            schema = waiting.pop()
            waiting += schema.get("oneOf", []) + schema.get("anyOf", [])
            if name := schema.get("$ref", "").rpartition("/")[2]:
                waiting.append(SCHEMAS[name])
            if "properties" in schema:
                yield schema["title"], schema


def _nullable(schema: dict[str, Any]) -> set[str]:
    members = schema["properties"].items()
    return {name for name, member in members if "null" in [one.get("type") for one in member.get("anyOf", [])]}


def test_the_document_has_no_null_where_null_is_as_good_as_missing():
    posts = dict(_request_schemas("post"))
    names = {"SubmitEcho", "SubmitLongTask", "KeyRequest", "RotateRequest", "MemberRequest", "BatchRequest"}
    assert names <= posts.keys()
    assert {title for title, schema in posts.items() if _nullable(schema)} == set()


def test_the_document_says_what_null_clears():
    patches = dict(_request_schemas("patch"))
    assert "description" in _nullable(patches["EndpointChange"])


def test_no_member_of_the_document_that_may_be_null_has_null_as_its_default():
    def look(part: Any, where: str) -> None:
        if isinstance(part, dict):
            assert not (part.get("default", ...) is None and "anyOf" in part), where
        for name, value in (
            part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
        ):
            look(value, f"{where}/{name}")

    look(DOCUMENT, "")


def _asked(tenant: Tenant, task_id: str) -> dict[str, Any]:
    task = tenant.client.get(f"/api/tasks/{task_id}").json()
    kept = ("task", "payload", "priority", "max_attempts", "timeout_seconds", "tags", "webhook_url")
    return {name: task[name] for name in kept} | {name: task[name] is None for name in ("scheduled_at", "expires_at")}


@pytest.mark.parametrize("name", [*OPTIONAL, "task", "payload"])
def test_a_submit_with_a_null_is_one_without_the_member(acme: Tenant, name: str):
    rest = {"payload": {"seconds": 0}, "delay_seconds": 600}
    rest.pop(name, None)
    without, with_null = acme.submit(**rest), acme.submit(**rest, **{name: None})
    for task_id in (without, with_null):
        acme.client.post(f"/api/tasks/{task_id}/cancel")
    assert _asked(acme, with_null) == _asked(acme, without)


def test_all_of_them_may_be_null_in_a_submit_and_in_a_batch(acme: Tenant):
    body = {"task": "echo", "payload": 1} | ALL_NULL
    assert acme.result(acme.submit(**body))["result"] == 1
    outcomes = acme.client.post(
        "/api/tasks/batch", json={"tasks": [body, {"task": None, "payload": None, "delay_seconds": 600}]}
    ).json()["outcomes"]
    assert [outcome.get("status") for outcome in outcomes] == ["PENDING", "PENDING"]


def test_a_payload_of_null_is_a_value_where_the_task_type_takes_one(acme: Tenant):
    assert acme.result(acme.submit(task="echo", payload=None))["result"] is None
    assert acme.result(acme.submit(task="echo"))["result"] == {}
    assert acme.client.get(f"/api/tasks/{acme.submit(payload=None, delay_seconds=600)}").json()["payload"] == {}


def _sent(tenant: Tenant, key: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    answer = tenant.client.post(path, json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.json().get("task_id", answer.json().get("code")) or answer.json()["outcomes"]


@pytest.mark.parametrize("path", ["/api/tasks/submit", "/api/tasks/batch"])
def test_for_an_idempotency_key_null_and_missing_are_the_same_body(acme: Tenant, path: str):
    def body(**members: Any) -> dict[str, Any]:
        return members if path.endswith("submit") else {"tasks": [members, {"task": "no.such", "tags": None}]}

    plain, null = {"delay_seconds": 600}, ALL_NULL | {"delay_seconds": 600, "task": None, "payload": None}
    for key, first, second in ((f"null 1 {path}", plain, null), (f"null 2 {path}", null, plain)):
        status, made = _sent(acme, key, path, body(**first))
        assert (status, _sent(acme, key, path, body(**second))) == (202, (200, made))
    # Here null is a payload, and another one than what stands for a missing one.
    echo = {"task": "echo", "delay_seconds": 600}
    assert _sent(acme, f"null 3 {path}", path, body(**echo, payload=None))[0] == 202
    assert _sent(acme, f"null 3 {path}", path, body(**echo)) == (422, "idempotency_mismatch")
    assert _sent(acme, f"null 3 {path}", path, body(**echo, payload=None, tags=None))[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        {"tasks": None}, {"tasks": [None]}, {"tasks": [{"payload": {"seconds": None}}]}, {"tasks": [{"tags": [None]}]},
        {"tasks": [{"task": []}]}, {"tasks": [{"task": {}, "payload": None}]}, {"tasks": [{"task": "no.such", "payload": None}]},
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", [None, "a-null"])
def test_a_null_elsewhere_is_still_refused(acme: Tenant, body: dict[str, Any], key: str | None):
    headers = {"Idempotency-Key": key} if key else {}
    answer = acme.client.post("/api/tasks/batch", json=body, headers=headers)
    assert answer.status_code == 422 or "error" in answer.json()["outcomes"][0]


def test_the_other_posts_take_null_as_missing_too(acme: Tenant):
    key = acme.client.post("/api/keys", json={"name": "null", "scopes": None, "expires_days": None}).json()
    assert (key["expires_at"], set(key["scopes"])) == (None, set(MEANINGS))
    rotated = acme.client.post(f"/api/keys/{key['key_id']}/rotate", json={"overlap_seconds": None})
    assert rotated.status_code == 201
    [old] = [
        one
        for one in acme.client.get("/api/keys", params={"limit": 100}).json()["items"]
        if one["key_id"] == key["key_id"]
    ]
    assert old["expires_at"] is not None
    member = acme.client.post("/api/members", json={"email": "null@example.com", "role": "viewer", "password": None})
    assert member.json()["initial_password"]


def test_in_a_patch_null_clears_and_what_cannot_be_cleared_is_refused(acme: Tenant):
    made = acme.client.post("/api/members", json={"email": "patched@example.com", "role": "viewer"}).json()
    path = f"/api/members/{made['member_id']}"
    assert acme.client.patch(path, json={"disabled": True}).json()["disabled_at"]
    assert acme.client.patch(path, json={"role": "developer"}).json()["disabled_at"]
    assert acme.client.patch(path, json={"disabled": None}).json()["disabled_at"] is None
    refused = acme.client.patch(path, json={"role": None})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/role")
    assert acme.client.patch(path, json={}).json()["role"] == "developer"
