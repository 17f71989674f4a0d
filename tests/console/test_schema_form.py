"""The form of a payload's schema, and the payload of a form."""

import json
from enum import StrEnum
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from app.console import schema_form
from app.core.errors import InvalidRequest


class _Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class _Inner(BaseModel):
    deep: int = 1


class _Payload(BaseModel):
    name: str = Field(description="Who it is for.", max_length=20)
    amount: int = Field(ge=1, le=10)
    rate: float | None = None
    is_new: bool = False
    colour: _Colour = _Colour.RED
    size: Literal["s", "m"] | None = None
    items: list[int] = []
    inner: _Inner = _Inner()


SCHEMA = _Payload.model_json_schema()


def test_each_member_gets_the_field_of_its_type():
    found = {field.name: field for field in schema_form.fields(SCHEMA, "{}")}
    kinds = {name: field.kind for name, field in found.items()}
    assert kinds == {
        "name": "text", "amount": "integer", "rate": "number", "is_new": "boolean", "colour": "choice",
        "size": "choice", "items": "json", "inner": "json",
    }  # fmt: skip
    assert found["colour"].choices == ("red", "blue") and found["size"].choices == ("s", "m")
    assert [name for name, field in found.items() if field.is_required] == ["name", "amount"]
    assert (found["name"].description, found["amount"].bounds) == ("Who it is for.", "at least 1, at most 10")
    assert (found["is_new"].value, found["colour"].value, found["rate"].value) == ("false", "red", "")


def test_the_fields_have_the_values_of_a_payload():
    payload = '{"name": "Ä", "amount": 12345678901234567, "items": [1, 2], "is_new": true}'
    values = {field.name: field.value for field in schema_form.fields(SCHEMA, payload)}
    assert (values["name"], values["amount"], values["is_new"]) == ("Ä", "12345678901234567", "true")
    assert json.loads(values["items"]) == [1, 2]


def test_a_filled_form_is_a_payload_that_the_type_takes():
    sent = {"name": 'a "b"', "amount": "9", "rate": "0.10", "is_new": "true", "items": "[1, 2]", "size": "", "x": "1"}
    payload = schema_form.filled(SCHEMA, sent)
    assert '"rate": 0.10' in payload
    assert _Payload.model_validate_json(payload).items == [1, 2]
    assert json.loads(schema_form.filled(SCHEMA, {})) == {"name": ""}


@pytest.mark.parametrize(("name", "text"), [("amount", "many"), ("items", "[1"), ("inner", "no")])
def test_a_field_that_cannot_be_read_is_named(name: str, text: str):
    with pytest.raises(InvalidRequest) as refused:
        schema_form.filled(SCHEMA, {"name": "a", name: text})
    assert refused.value.extensions["errors"][0]["pointer"] == f"#/payload/{name}"


def test_a_schema_of_no_object_has_no_fields():
    assert schema_form.fields({"type": "array"}, "[]") == []
    assert schema_form.fields({"$ref": "#/$defs/JsonValue", "$defs": {"JsonValue": {}}}, "1") == []


def test_an_example_comes_before_the_defaults():
    assert json.loads(schema_form.example({"examples": [{"a": 1}]})) == {"a": 1}
    assert json.loads(schema_form.example(SCHEMA))["colour"] == "red"


def test_a_payload_is_indented_with_every_digit():
    text = '{"a":[1,12345678901234567890],"b":{},"c":"ä\\n"}'
    shown = schema_form.indented(text)
    assert "12345678901234567890" in shown and json.loads(shown) == json.loads(text)
    assert schema_form.indented("no json") == "no json"
