"""What is written from an API document: types of every kind, and nothing that a document can smuggle in."""

import ast
from typing import Any

import pytest

from scripts.sdk_generator.definitions import docstring
from scripts.sdk_generator.expressions import expression, name_of
from scripts.sdk_generator.modules import Document, operations, overloads
from scripts.sdk_generator.schema_types import Use
from scripts.sdk_generator.sync_twin import twin


@pytest.mark.parametrize(
    ("schema", "request_type", "json_type"),
    [
        ({"type": "string"}, "str", "str"),
        ({"type": "string", "format": "uuid"}, "UUID | str", "str"),
        ({"type": "string", "format": "date-time"}, "datetime | str", "str"),
        ({"type": "array", "items": {"type": "integer"}}, "Sequence[int]", "list[int]"),
        ({"type": "array"}, "Sequence[Any]", "list[Any]"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "Mapping[str, float]", "dict[str, float]"),
        ({"type": "object"}, "Mapping[str, Any]", "dict[str, Any]"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "str | None", "str | None"),
        ({"type": ["string", "null"]}, "str | None", "str | None"),
        ({"anyOf": [{"type": "string", "format": "date"}, {"type": "string"}]}, "date | str", "str"),
        ({"anyOf": [{"type": "string"}, {}]}, "Any", "Any"),
        (
            {"oneOf": [{"$ref": "#/components/schemas/A"}, {"$ref": "#/components/schemas/B-Input"}]},
            "A | B_Input",
            "A | B_Input",
        ),
        ({"allOf": [{"$ref": "#/components/schemas/A"}]}, "A", "A"),
        ({"const": "card"}, "Literal['card']", "Literal['card']"),
        ({"enum": ["a", 1, None]}, "Literal['a', 1, None]", "Literal['a', 1, None]"),
        ({"enum": [1.5]}, "Any", "Any"),
        (True, "Any", "Any"),
    ],
)
def test_a_schema_is_a_type(schema: Any, request_type: str, json_type: str):
    assert expression(schema, Use.REQUEST) == request_type
    assert expression(schema, Use.JSON) == json_type


def test_ids_and_times_of_answers_are_objects():
    schema = {
        "anyOf": [{"type": "string", "format": "uuid"}, {"type": "string", "format": "date-time"}, {"type": "null"}]
    }
    assert expression(schema, Use.ANSWER) == "UUID | datetime | None"


@pytest.mark.parametrize(
    ("given", "name"), [("Page[Item]", "Page_Item_"), ("class", "class_"), ("Any", "Any_"), ("1a", "_1a")]
)
def test_every_name_is_one_of_python(given: str, name: str):
    assert name_of(given) == name
    assert name.isidentifier()


NASTY = '"""\nimport os\n\\"""'


def document(**payload: Any) -> dict[str, Any]:
    """Make a document with one task type."""
    schemas = {
        "SubmitRequest": {"oneOf": [], "discriminator": {"mapping": {"pay": "#/components/schemas/SubmitPay"}}},
        "BatchRequest": {"type": "object", "properties": {"tasks": {"type": "array"}}},
        "SubmitPay": {
            "type": "object", "description": NASTY, "required": ["task", "payload"], "x-result": {"$ref": "#/components/schemas/Paid"},
            "properties": {"task": {"const": "pay"}, "payload": {"$ref": "#/components/schemas/Pay"}, "priority": {"type": "integer"}},
        },
        "Pay": {"type": "object", "required": ["from"], "description": NASTY, "properties": payload | {"from": {"type": "string"}}},
        "Card": {"type": "object", "required": ["kind"], "properties": {"kind": {"const": "card"}, "again": {"$ref": "#/components/schemas/Node"}}},
        "Node": {"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/Node"}}, {"type": "null"}]},
        "Paid": {"type": "object", "required": ["at"], "properties": {"at": {"type": "string", "format": "date-time", "description": NASTY}}},
        "Status": {"enum": ["A"]},
        "Secret": {"type": "object", "required": ["api_key"], "properties": {"api_key": {"type": "string"}}},
    }  # fmt: skip
    listing = {"parameters": [], "responses": {"200": {"$ref": "#/components/schemas/Secret"}}}
    paths = {
        f"/{name}": {"get": listing | {"operationId": name}}
        for name in ("list_tasks", "list_audit_events", "list_deliveries", "list_errors", "list_events")
    }
    return {"info": {"version": "1"}, "paths": paths, "components": {"schemas": schemas}}


def test_a_task_type_has_its_payload_and_its_result():
    made = Document(document(by={"oneOf": [{"$ref": "#/components/schemas/Card"}]}))
    types = made.types()
    ast.parse(types)
    # A member that no keyword can be is written in the other form.
    assert "Pay = TypedDict(\"Pay\", {'by': 'NotRequired[Card]', 'from': 'Required[str]'})" in types
    assert "Node: TypeAlias = Any" in types
    assert "    at: Required[str]" in types
    assert "SubmitPayResult: TypeAlias = Paid" in types
    assert "task: Literal['pay'], payload: task_types.SubmitPayPayload," in overloads(made)
    assert "Pay" not in made.models()
    assert "    api_key: str = field(repr=False)" in made.models()


def test_what_a_document_says_is_never_code():
    made = Document(document())
    for module in (made.types(), made.models(), operations(made)):
        assert not any(
            "os" in name.name
            for node in ast.walk(ast.parse(module))
            if isinstance(node, ast.Import)
            for name in node.names
        )
    (statement,) = ast.parse("\n".join(docstring(NASTY, ""))).body
    assert isinstance(statement, ast.Expr)


def test_the_blocking_twin_has_no_word_of_asyncio():
    source = """
from asyncio import sleep
class AsyncThing:
    async def __aenter__(self): await self.open()
    async def run(self, other: "AsyncThing"):
        async with other as one:
            async for chunk in one.aiter_bytes():
                yield chunk
        await sleep(1)
"""
    blocking = twin(source)
    ast.parse(blocking)
    assert not any(word in blocking for word in ("async", "await", "Async", "aiter"))
    assert "class Thing" in blocking
    assert "from time import sleep" in blocking
