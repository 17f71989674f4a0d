"""openapi.yaml is what the code says, and every error is documented."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
import yaml

from app.http import vocabulary
from tests.conftest import ROOT


def test_the_document_is_up_to_date():
    # In a process of its own: here other tests may have declared task types.
    line = [sys.executable, "-P", "-m", "scripts.openapi_document", "--check"]
    checked = subprocess.run(
        line, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False, capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "openapi.yaml").read_text())
    return document


def _operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {operation["operationId"]: operation for path in described["paths"].values() for operation in path.values()}


def test_every_operation_has_an_id_and_documents_its_refusals(described):
    operations = [operation for path in described["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        if operation["security"]:
            assert "401" in operation["responses"], operation["operationId"]


def test_every_operation_says_once_how_to_authenticate_and_open_ones_say_that_nothing_is_needed(described):
    told = {name: [list(way) for way in one["security"]] for name, one in _operations(described).items()}
    is_open = {"create_token", "revoke_token", "login", "get_key_set", "get_health", "get_readiness"}
    assert told == {name: [] if name in is_open else [["bearer"]] for name in told}
    assert is_open <= set(told)
    assert list(described["components"]["securitySchemes"]) == ["bearer"]


def test_ids_in_paths_are_uuids_but_those_of_keys(described):
    formats = {
        parameter["name"]: parameter["schema"].get("format")
        for operation in _operations(described).values()
        for parameter in operation.get("parameters", [])
        if parameter["in"] == "path"
    }
    uuids = ("task_id", "operation_id", "error_id", "member_id", "delivery_id", "endpoint_id", "schedule_id")
    assert formats == dict.fromkeys(uuids, "uuid") | {"key_id": None, "name": None}


def test_every_response_has_the_headers_that_every_answer_has(described):
    components = described["components"]["headers"]
    for name, operation in _operations(described).items():
        for status, response in operation["responses"].items():
            told = response["headers"]
            assert {"API-Version", "X-Request-ID"} <= set(told), (name, status)
            assert all(one == {"$ref": f"#/components/headers/{header}"} for header, one in told.items())
            assert set(told) <= set(components)
            assert ("Retry-After" in told) == (status in {"429", "503"} or (name, status) == ("get_task_result", "202"))
            assert ("WWW-Authenticate" in told) == (status in {"401", "403"})


def test_accepted_tasks_have_a_location_replays_say_so_and_pages_link_to_the_next(described):
    told = {name: one["responses"] for name, one in _operations(described).items()}
    for name in ("submit_task", "retry_task"):
        assert "Location" in told[name]["202"]["headers"]
        assert {"Location", "Idempotency-Replayed"} <= set(told[name]["200"]["headers"])
    assert "Idempotency-Replayed" in told["submit_tasks"]["200"]["headers"]
    success = {name: next(one for status, one in told[name].items() if status.startswith("2")) for name in told}
    paged = {
        name
        for name, one in _operations(described).items()
        if any(parameter["name"] == "cursor" for parameter in one.get("parameters", []))
    }
    assert paged == {name for name in told if "Link" in success[name]["headers"]}


def test_every_call_of_a_tenant_documents_its_rate(described):
    for name, operation in _operations(described).items():
        refusals = operation["responses"].get("429", {}).get("content", {}).get("application/problem+json", {})
        is_rated = bool(operation["security"]) and name != "change_password"
        assert ("rate_limited" in refusals.get("examples", {})) == is_rated, name
        success = next(response for status, response in operation["responses"].items() if status.startswith("2"))
        assert ({"RateLimit", "RateLimit-Policy"} <= set(success["headers"])) == is_rated, name


def test_no_member_has_null_for_a_default(described):
    def defaults(part: Any) -> Iterator[Any]:
        if isinstance(part, dict):
            yield from [part["default"]] if "default" in part else []
        for one in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            yield from defaults(one)

    found = list(defaults(described))
    assert found
    assert None not in found


def test_tags_are_described_and_summaries_are_for_people(described):
    tags = {tag["name"]: tag["description"] for tag in described["tags"]}
    for name, operation in _operations(described).items():
        assert all(tags[tag] for tag in operation["tags"]), name
        assert operation["summary"] != name.replace("_", " ").title()
        assert operation["summary"][0].isupper(), name
        assert operation["description"], name


def test_every_body_has_an_example_that_its_schema_takes(described):
    count = 0
    for name, operation in _operations(described).items():
        for body in (operation.get("requestBody", {}), *operation["responses"].values()):
            for content in body.get("content", {}).values():
                schema = content.get("schema")
                if not schema:
                    continue
                examples = [content["example"]] if "example" in content else _values(content, schema, described)
                assert examples, (name, body)
                rules = jsonschema_rs.validator_for(schema | {"components": described["components"]})
                for example in examples:
                    faults = [error.message for error in rules.iter_errors(example)]
                    assert not faults, (name, example, faults)
                    count += 1
    assert count > 100


def _values(content: dict[str, Any], schema: dict[str, Any], described: dict[str, Any]) -> list[Any]:
    if "examples" in content:
        return [example["value"] for example in content["examples"].values()]
    return described["components"]["schemas"][schema["$ref"].rpartition("/")[2]].get("examples", [])


def test_every_member_and_every_parameter_says_what_it_means(described):
    members = {
        (model, name): member
        for model, schema in described["components"]["schemas"].items()
        for name, member in schema.get("properties", {}).items()
    }
    assert len(members) > 400
    assert [place for place, member in members.items() if not member.get("description")] == []
    for name, operation in _operations(described).items():
        assert [one["name"] for one in operation.get("parameters", []) if not one.get("description")] == [], name


def test_no_description_is_left_over(described):
    told: dict[str, set[str]] = {}
    for model, schema in described["components"]["schemas"].items():
        for name, member in schema.get("properties", {}).items():
            told.setdefault(name, set()).add(member["description"])
            told[f"{model}.{name}"] = {member["description"]}
    for texts in (vocabulary._BY_NAME, vocabulary._BY_MODEL):
        assert [name for name, text in texts.items() if text not in told.get(name, ())] == []
    named = {
        (one["name"], one["description"])
        for operation in _operations(described).values()
        for one in operation.get("parameters", [])
    }
    assert vocabulary._PARAMETERS.items() <= named


def test_null_is_only_where_it_means_something(described):
    assert [
        (name, one["name"])
        for name, operation in _operations(described).items()
        for one in operation.get("parameters", [])
        if _takes_null(one["schema"])
    ] == []
    # Of a request, a null that means the same as a missing member is not documented; of a change it has a meaning.
    schemas = described["components"]["schemas"]
    for model in ("SubmitEcho", "SubmitLongTask", "KeyRequest", "EndpointRequest", "CancelFilter", "ResendFilter"):
        assert [name for name, one in schemas[model]["properties"].items() if _takes_null(one)] == [], model
    assert _takes_null(schemas["ChangeRequest"]["properties"]["scheduled_at"])
    # Of an answer, the description says what null means, or the error is what its name says.
    untold = [
        (model, name)
        for model, schema in schemas.items()
        for name, one in schema.get("properties", {}).items()
        if _takes_null(one)
        and not re.search(r"null|if it has|Default|Only|does not come", one["description"], re.IGNORECASE)
    ]
    assert untold == []


def _takes_null(schema: dict[str, Any]) -> bool:
    return any(one.get("type") == "null" for one in schema.get("anyOf", []))


def test_a_submit_needs_its_task_and_leads_to_the_calls_that_follow_it(described):
    schemas = described["components"]["schemas"]
    submits = schemas["SubmitRequest"]["discriminator"]["mapping"]
    for reference in submits.values():
        submit = schemas[reference.rpartition("/")[2]]
        assert "task" in submit["required"]
        assert submit["x-result"]
    known = _operations(described)
    for name in ("submit_task", "retry_task"):
        for status in ("200", "202"):
            links = known[name]["responses"][status]["links"]
            assert {link["operationId"] for link in links.values()} <= known.keys()
            assert links["result"]["operationId"] == "get_task_result"
