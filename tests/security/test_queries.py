"""Query parameters that a call does not take, on each call of the API document."""

from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, Tenant
from tests.security.world import World

UNKNOWN = "0198c5f2-7d1e-7c33-9a51-0f5b6c1de001"
DOCUMENT = yaml.safe_load((ROOT / "openapi.yaml").read_text())
OPERATIONS = {
    operation["operationId"]: (method.upper(), path.replace("{task_id}", UNKNOWN).replace("{key_id}", "x").replace("{member_id}", UNKNOWN), operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
}  # fmt: skip


def _faults(answer: Any) -> dict[str, str]:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text
    return {fault["parameter"]: fault["detail"] for fault in answer.json()["errors"]}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_unknown_parameter_is_refused_by_name(world: World, name: str):
    method, path, _ = OPERATIONS[name]
    # A member's token: one call is a member's own.
    sent = world.call(method, f"{path}?page=2&%00=&limi%74_=3", world.token(world.own))
    faults = _faults(sent)
    parameters = OPERATIONS[name][2].get("parameters", [])
    # access_token is a credential, which is taken out of the URL before.
    known = sorted(one["name"] for one in parameters if one["in"] == "query" and one["name"] != "access_token")
    taken = f"It takes {', '.join(known)}." if known else "It takes none."
    meant = "Did you mean limit?" if "limit" in known else taken
    none = "This call has no such parameter."
    assert faults == {"page": f"{none} {taken}", "\0": f"{none} {taken}", "limit_": f"{none} {meant}"}


@pytest.mark.parametrize(
    ("name", "parameter"),
    [
        (name, each["name"])
        for name, (*_, operation) in OPERATIONS.items()
        for each in operation.get("parameters", [])
        # access_token is a credential: two are a 400, as two headers are (tests/tasks/test_event_calls.py).
        if each["in"] == "query" and each["name"] != "access_token"
    ],
)  # fmt: skip
def test_a_parameter_that_comes_twice_is_refused_by_name(world: World, name: str, parameter: str):
    method, path, _ = OPERATIONS[name]
    for value in ("1", ""):
        sent = world.call(
            method, f"{path}?{parameter}={value}&%{ord(parameter[0]):x}{parameter[1:]}=1", world.own.api_key
        )
        assert _faults(sent)[parameter].startswith("Send this parameter once.")


def test_nobody_is_told_401_first(world: World):
    for name, (method, path, operation) in OPERATIONS.items():
        expected = 401 if operation["security"] else 422
        assert world.call(method, f"{path}?page=2", None).status_code == expected, name


def test_a_refused_query_makes_nothing(acme: Tenant):
    before = acme.client.get("/api/limits").json()
    body = {"task": "echo", "payload": 1}
    for path, sent in (
        ("/api/tasks/submit", body),
        ("/api/tasks/batch", {"tasks": [body]}),
        ("/api/keys", {"name": "q"}),
    ):
        for headers in ({}, {"Idempotency-Key": "a-query"}):
            assert acme.client.post(f"{path}?dry_run=1", json=sent, headers=headers).status_code == 422
    used = [
        {item["name"]: item["used"] for item in limits["items"]}
        for limits in (before, acme.client.get("/api/limits").json())
    ]
    assert used[0]["api_keys"] == used[1]["api_keys"]
    assert used[0]["tasks_per_day"] == used[1]["tasks_per_day"]


def test_thousands_of_them_are_told_as_twenty(acme: Tenant):
    answer = acme.client.get("/api/tasks?" + "&".join(f"{number}=" for number in range(1_500)))
    assert len(_faults(answer)) == 20


def test_a_wait_asked_for_in_either_way_is_still_taken(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1)
    acme.result(task_id)
    for path, headers in (("?wait=1", {}), ("", {"Prefer": "wait=1"}), ("?wait=1", {"Prefer": "wait=2"})):
        assert acme.client.get(f"/api/tasks/{task_id}/result{path}", headers=headers).status_code == 200
