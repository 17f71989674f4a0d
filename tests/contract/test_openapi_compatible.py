"""A change of the API document that breaks clients is found, whatever its kind; one that does not is let through."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from scripts import openapi_compatible, openapi_document
from tests.conftest import ROOT

PROBLEM = "application/problem+json"


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


RELEASED: dict[str, Any] = {
    "paths": {
        "/things": {
            "post": {
                "operationId": "make",
                "security": [{"bearer": ["things:write"]}],
                "parameters": [
                    {"name": "Prefer", "in": "header", "schema": {"type": "string"}},
                    {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 100}},
                ],
                "requestBody": {"content": _json({"$ref": "#/components/schemas/Asked"})},
                "responses": {
                    "200": {"headers": {"Link": {}}, "content": _json({"$ref": "#/components/schemas/Told"})},
                    "409": {"content": {PROBLEM: {"schema": {}, "examples": {"limit_reached": {}, "taken": {}}}}},
                },
            }
        }
    },
    "webhooks": {
        "thing": {
            "post": {
                "operationId": "receive",
                "requestBody": {"content": _json({"$ref": "#/components/schemas/Sent"})},
                "responses": {"default": {}},
            }
        }
    },
    "components": {
        "schemas": {
            "Asked": {
                "type": "object",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 20, "pattern": "^a"},
                    "size": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
                    "colour": {"enum": ["red", "blue"], "type": "string"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Asked"}},
                },
            },
            "Told": {
                "type": "object",
                "required": ["id", "what"],
                "properties": {
                    "id": {"type": "string", "format": "uuid"},
                    "what": {"anyOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B"}]},
                    "state": {"enum": ["on"], "type": "string"},
                },
            },
            "Sent": {"type": "object", "properties": {"state": {"type": "string"}}},
            "A": {"type": "object", "properties": {"a": {"type": "integer"}}},
            "B": {"type": "object", "properties": {"b": {"type": "integer"}}},
            "C": {"type": "object", "properties": {"c": {"type": "integer"}}},
        }
    },
}


def _post(document: dict[str, Any]) -> dict[str, Any]:
    return document["paths"]["/things"]["post"]  # type: ignore[no-any-return]


def _asked(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Asked"]  # type: ignore[no-any-return]


def _told(document: dict[str, Any]) -> dict[str, Any]:
    return document["components"]["schemas"]["Told"]  # type: ignore[no-any-return]


Change = Callable[[dict[str, Any]], Any]
BREAKS: dict[str, tuple[Change, str]] = {
    "a path": (lambda d: d["paths"].clear(), "POST /things is gone"),
    "a method": (lambda d: d["paths"]["/things"].clear(), "POST /things is gone"),
    "an id": (lambda d: _post(d).update(operationId="create"), "the operationId make is gone"),
    "a scope": (lambda d: _post(d)["security"][0]["bearer"].append("more"), "POST /things needs more now"),
    "a parameter": (lambda d: _post(d)["parameters"].pop(), "query parameter limit is gone"),
    "a parameter that is required": (lambda d: _post(d)["parameters"][0].update(required=True), "header parameter prefer is required now"),
    "a new parameter that is required": (
        lambda d: _post(d)["parameters"].append({"name": "x", "in": "query", "required": True, "schema": {}}),
        "query parameter x is required now",
    ),
    "a lower maximum": (lambda d: _post(d)["parameters"][1]["schema"].update(maximum=50), "maximum is stricter now"),
    "a higher minimum": (lambda d: _post(d)["parameters"][1]["schema"].update(minimum=2), "minimum is stricter now"),
    "another type": (lambda d: _post(d)["parameters"][1]["schema"].update(type="string"), "integer is refused now"),
    "a body that is required": (lambda d: _post(d)["requestBody"].update(required=True), "body is required now"),
    "a body's media type": (lambda d: _post(d)["requestBody"]["content"].clear(), "body: application/json is gone"),
    "a member of a request": (lambda d: _asked(d)["properties"].pop("size"), "body/size is gone"),
    "a member that is required": (lambda d: _asked(d)["required"].append("size"), "body/size is required now"),
    "null of a request": (lambda d: _asked(d)["properties"].update(size={"type": "integer"}), "body/size: null is refused now"),
    "a value of a request": (lambda d: _asked(d)["properties"]["colour"]["enum"].pop(), "enum is stricter now"),
    "a shorter text": (lambda d: _asked(d)["properties"]["name"].update(maxLength=10), "maxLength is stricter now"),
    "another pattern": (lambda d: _asked(d)["properties"]["name"].update(pattern="^b"), "pattern is stricter now"),
    "a format of a request": (lambda d: _asked(d)["properties"]["name"].update(format="date"), "the format is another one now"),
    "a list of other things": (lambda d: _asked(d)["properties"]["parts"].update(items={"type": "string"}), "body/parts/*: object is refused now"),
    "an answer": (lambda d: _post(d)["responses"].pop("200"), "the answer 200 is gone"),
    "a header": (lambda d: _post(d)["responses"]["200"]["headers"].clear(), "the header Link is gone"),
    "a code": (lambda d: _post(d)["responses"]["409"]["content"][PROBLEM]["examples"].pop("taken"), "the code taken is gone"),
    "a media type of an answer": (lambda d: _post(d)["responses"]["200"]["content"].clear(), "200: application/json is gone"),
    "a member of an answer": (lambda d: _told(d)["properties"].pop("state"), "200/state is gone"),
    "a member that may be missing": (lambda d: _told(d)["required"].pop(), "200/what may be missing now"),
    "null of an answer": (lambda d: _told(d)["properties"]["state"].update(type=["string", "null"]), "200/state may be null now"),
    "a format of an answer": (lambda d: _told(d)["properties"]["id"].pop("format"), "200/id: the format is another one now"),
    "a member deep in an answer": (lambda d: d["components"]["schemas"]["A"].update(properties={}), "200/what/a is gone"),
    "a webhook": (lambda d: d["webhooks"].clear(), "POST thing is gone"),
    "a member of a webhook": (lambda d: d["components"]["schemas"]["Sent"]["properties"].clear(), "POST thing body/state is gone"),
}  # fmt: skip
ALLOWED: dict[str, Change] = {
    "a path": lambda d: d["paths"].update({"/more": {"get": {"operationId": "more", "responses": {}}}}),
    "an optional parameter": lambda d: _post(d)["parameters"].append({"name": "x", "in": "query", "schema": {}}),
    "a header in other case": lambda d: _post(d)["parameters"][0].update(name="prefer"),
    "a wider bound": lambda d: _post(d)["parameters"][1]["schema"].update(maximum=500, minimum=0),
    "an optional member": lambda d: _asked(d)["properties"].update(more={"type": "string"}),
    "a member that may be missing": lambda d: _asked(d)["required"].clear(),
    "any value": lambda d: _asked(d)["properties"].update(size={}),
    "a value of a request": lambda d: _asked(d)["properties"]["colour"]["enum"].append("green"),
    "a member of an answer": lambda d: _told(d)["properties"].update(more={"type": "string"}),
    "a value of an answer": lambda d: _told(d)["properties"]["state"]["enum"].append("off"),
    "a kind of object of an answer": lambda d: _told(d)["properties"]["what"]["anyOf"].append({"$ref": "#/components/schemas/C"}),
    "a code": lambda d: _post(d)["responses"]["409"]["content"][PROBLEM]["examples"].update(more={}),
    "a scope less": lambda d: _post(d)["security"][0]["bearer"].clear(),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKS)
def test_each_kind_of_break_is_found(name: str):
    change, told = BREAKS[name]
    current = copy.deepcopy(RELEASED)
    change(current)
    found = openapi_compatible.breaks(RELEASED, current)
    assert any(line.endswith(told) for line in found), found


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_only_added_breaks_nothing(name: str):
    current = copy.deepcopy(RELEASED)
    ALLOWED[name](current)
    assert current != RELEASED
    assert openapi_compatible.breaks(RELEASED, current) == []


def test_the_document_does_not_break_the_released_one_and_a_change_of_it_is_found():
    released, current = (
        yaml.safe_load(path.read_text()) for path in (openapi_document.RELEASED, ROOT / "openapi.yaml")
    )
    assert openapi_compatible.breaks(released, current) == []
    del current["components"]["schemas"]["TaskResult"]["properties"]["result"]
    assert "GET /api/tasks/{task_id}/result 200/result is gone" in openapi_compatible.breaks(released, current)
