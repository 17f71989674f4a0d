"""Task types of a tenant's own, over HTTP: declared, validated at submit, listed, bounded, audited."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Stack, Tenant
from tests.remote.conftest import Crew

PERSON = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "^[a-z]+$"}, "age": {"$ref": "#/$defs/age"}},
    "additionalProperties": False,
    "$defs": {"age": {"type": "integer", "minimum": 0}},
}


def _doubled(levels: int) -> dict[str, Any]:
    """Return a schema whose references, replaced by what they name, make 2 ** levels schemas."""
    named = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": named | {f"d{levels}": {"type": "string"}}, "$ref": "#/$defs/d0"}


def _nested(levels: int) -> str:
    return '{"payload_schema":' + '{"not":' * levels + "{}" + "}" * levels + "}"


def test_a_type_is_declared_shown_listed_changed_and_deleted(crew: Crew):
    response = crew.client.put("/api/task-types/people.greet", json={"payload_schema": PERSON, "summary": "Say hello"})
    assert (response.status_code, response.headers["Location"]) == (201, "/api/task-types/people.greet")
    made = response.json()
    defaults = {"max_attempts": 3, "time_limit": 900.0, "lease_seconds": 60, "retry_backoff": 1.0, "retry_jitter": True}
    assert {name: made[name] for name in defaults} == defaults
    assert (made["payload_schema"], made["result_schema"]) == (PERSON, None)
    assert crew.client.get("/api/task-types/people.greet").json() == made
    listed = {item["name"]: item for item in crew.client.get("/api/task-types").json()["items"]}
    assert "echo" in listed
    own = listed["people.greet"]
    assert (own["pool"], own["payload_schema"], own["result_schema"], own["summary"]) == (
        "remote",
        PERSON,
        {},
        "Say hello",
    )
    again = crew.client.put("/api/task-types/people.greet", json={"payload_schema": PERSON, "summary": "Say hello"})
    assert (again.status_code, again.json()) == (200, made)
    changed = crew.client.put("/api/task-types/people.greet", json={"max_attempts": 1, "time_limit": None})
    assert (changed.status_code, changed.json()["max_attempts"], changed.json()["payload_schema"]) == (200, 1, None)
    assert crew.client.delete("/api/task-types/people.greet").status_code == 204
    assert crew.client.get("/api/task-types/people.greet").status_code == 404
    assert crew.client.delete("/api/task-types/people.greet").status_code == 404
    acts = [
        item["action"]
        for item in crew.tenant.client.get("/api/audit").json()["items"]
        if item["object"] == "people.greet"
    ]
    assert acts == ["task_type.deleted", "task_type.changed", "task_type.created"]


def test_a_payload_is_validated_at_the_submit(crew: Crew):
    crew.declare("people", payload_schema=PERSON)
    client = crew.tenant.client
    refused = client.post("/api/tasks/submit", json={"task": "people", "payload": {"name": "SECRET", "age": -1}})
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["#/payload/name", "#/payload/age"]
    assert "SECRET" not in refused.text
    missing = client.post("/api/tasks/submit", json={"task": "people"}).json()
    assert missing["errors"] == [{"pointer": "#/payload", "detail": "It does not fit #/required of the schema."}]
    tasks = [
        {"task": "people", "payload": {"name": "a"}},
        {"task": "people", "payload": 1},
        {"task": "echo"},
        {"task": "nobody"},
    ]
    outcomes = client.post("/api/tasks/batch", json={"tasks": tasks}).json()["outcomes"]
    assert ["task_id" in one for one in outcomes] == [True, False, True, False]
    assert outcomes[1]["error"]["errors"][0]["pointer"] == "#/tasks/1/payload"
    client.post(f"/api/tasks/{outcomes[0]['task_id']}/cancel")
    again = client.post(f"/api/tasks/{outcomes[0]['task_id']}/retry")
    assert again.status_code == 202, again.text
    client.post(f"/api/tasks/{again.json()['task_id']}/cancel")
    schedule = {"name": "people", "cron": "@yearly", "task": "people", "payload": {"name": 1}}
    assert client.post("/api/schedules", json=schedule).json()["errors"][0]["pointer"] == "#/payload/name"
    made = client.post("/api/schedules", json=schedule | {"payload": {"name": "a"}})
    assert made.status_code == 201, made.text
    client.delete(f"/api/schedules/{made.json()['schedule_id']}")


def test_a_changed_schema_counts_for_new_submits_only(crew: Crew):
    crew.declare("versioned", payload_schema={"type": "integer"})
    task_id = crew.tenant.submit(task="versioned", payload=1)
    crew.declare("versioned", payload_schema={"type": "string"})
    assert crew.tenant.client.post("/api/tasks/submit", json={"task": "versioned", "payload": 1}).status_code == 422
    assert crew.finish(lease=crew.lease_one("versioned")["lease"], result=1)["status"] == "SUCCESS"
    assert crew.tenant.result(task_id)["status"] == "SUCCESS"


def test_tasks_of_a_deleted_type_can_still_be_leased(crew: Crew):
    crew.declare("gone")
    crew.tenant.submit(task="gone")
    crew.client.delete("/api/task-types/gone")
    assert crew.tenant.client.post("/api/tasks/submit", json={"task": "gone"}).status_code == 422
    assert crew.finish(lease=crew.lease_one("gone")["lease"], result=1)["status"] == "SUCCESS"
    assert crew.client.post("/api/work/lease", json={"worker": "w", "tasks": ["gone"]}).status_code == 422


def test_a_type_belongs_to_its_tenant(crew: Crew, rival: Crew):
    crew.declare("private")
    assert rival.client.get("/api/task-types/private").status_code == 404
    assert rival.tenant.client.post("/api/tasks/submit", json={"task": "private"}).status_code == 422
    assert "private" not in {item["name"] for item in rival.client.get("/api/task-types").json()["items"]}


@pytest.mark.parametrize(
    ("name", "body", "status"),
    [
        ("echo", {}, 409),
        ("Upper", {}, 422),
        ("x" * 65, {}, 422),
        ("fine", {"max_attempts": 26}, 422),
        ("fine", {"time_limit": 0}, 422),
        ("fine", {"lease_seconds": 14}, 422),
        ("fine", {"payload_schema": "string"}, 422),
        ("fine", {"payload_schema": {"type": "strin"}}, 422),
        ("fine", {"surprise": 1}, 422),
    ],
)
def test_what_is_no_task_type_is_refused(crew: Crew, name: str, body: dict[str, Any], status: int):
    assert crew.client.put(f"/api/task-types/{name}", json=body).status_code == status


HOSTILE = {
    "exponential references": json.dumps({"payload_schema": _doubled(22)}),
    "a cycle": json.dumps({"payload_schema": {"$defs": {"a": {"items": {"$ref": "#/$defs/a"}}}, "$ref": "#/$defs/a"}}),
    "the root itself": json.dumps({"payload_schema": {"items": {"$ref": "#"}}}),
    "another server": json.dumps({"payload_schema": {"$ref": "http://127.0.0.1:1/x"}}),
    "a huge pattern": json.dumps({"payload_schema": {"pattern": "((a{100}){100}){100}"}}),
    "many costly patterns": json.dumps(
        {"payload_schema": {"allOf": [{"pattern": f"(\\w{{9}}){{9}}{n}"} for n in range(99)]}}
    ),
    "a look-behind": json.dumps({"payload_schema": {"pattern": "(?<=a)b"}}),
    "2,000 schemas": json.dumps({"payload_schema": {"allOf": [{}] * 2000}}),
    "64 KiB": json.dumps({"payload_schema": {"enum": ["x" * 66_000]}}),
    "10,000 levels": _nested(10_000),
    "30,000 levels": _nested(30_000),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_schema_is_refused_at_once(crew: Crew, kind: str):
    headers = {"Content-Type": "application/json"}
    spent = []
    for _ in range(3):
        began = time.monotonic()
        response = crew.client.put("/api/task-types/hostile", content=HOSTILE[kind], headers=headers)
        spent.append(time.monotonic() - began)
        assert response.status_code == 422, response.text
    # The best of three: other processes share the machine.
    assert min(spent) < 0.05
    assert crew.client.get("/api/task-types/hostile").status_code == 404


def test_the_limit_of_task_types_is_kept(make_tenant: Callable[..., Tenant], stack: Stack):
    tenant = make_tenant("typist", plan="free")
    for number in range(10):
        assert tenant.client.put(f"/api/task-types/t{number}", json={}).status_code == 201
    refused = tenant.client.put("/api/task-types/more", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "limit_reached")
    assert tenant.client.put("/api/task-types/t1", json={"max_attempts": 5}).status_code == 200
    assert stack.url
