"""JSON Schemas of tenants: what they cost is bounded, and what they refuse is described without the value."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.definition import json_schemas
from app.tasks.definition.json_schemas import Schema, UnusableSchema

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def test_faults_name_the_place_and_the_rule_and_never_the_value():
    schema = Schema({"properties": {"a/b": {"items": {"type": "integer"}}}})
    assert schema.faults({"a/b": [1, "secret"]}, "payload") == [
        {"pointer": "#/payload/a~1b/1", "detail": "It does not fit #/properties/a~1b/items/type of the schema."}
    ]
    assert schema.faults({"a/b": [1, 2]}, "payload") == []


def test_not_all_faults_are_described():
    assert len(Schema({"items": {"type": "integer"}}).faults(["x"] * 100, "payload")) == json_schemas.MAX_FAULTS


@pytest.mark.parametrize("document", [True, {}, {"$schema": "https://json-schema.org/draft/2020-12/schema"}])
def test_a_schema_may_take_everything(document: Any):
    assert Schema(document).faults({"a": [1]}, "payload") == []


def test_false_takes_nothing():
    assert Schema(document=False).faults(1, "payload")


def test_a_property_may_have_the_name_of_a_keyword():
    schema = Schema({"properties": {"$ref": {"type": "string"}, "$id": {"type": "integer"}, "pattern": {}}})
    assert schema.faults({"$ref": "x", "$id": 1}, "payload") == []
    assert schema.faults({"$ref": 1}, "payload")
    assert Schema({"const": {"$ref": "x"}, "enum": [{"$id": 1, "$ref": "x"}]}).faults({"$ref": "x"}, "payload")


@pytest.mark.parametrize(
    ("document", "pointer"),
    [
        (5, ""),
        (None, ""),
        ({"type": "strin"}, "/type"),
        ({"properties": {"a": {"minimum": "x"}}}, "/properties/a/minimum"),
        ({"$id": "x"}, "/$id"),
        ({"items": {"$dynamicRef": "#x"}}, "/items/$dynamicRef"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, "/$schema"),
        ({"$ref": "#/$defs/none"}, "/$ref"),
        ({"$ref": "#/properties/a", "properties": {"a": {}}}, "/$ref"),
        ({"items": {"$defs": {}}}, "/items/$defs"),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}}, "/$defs/a/$ref"),
    ],
)
def test_what_cannot_be_used_is_named(document: Any, pointer: str):
    with pytest.raises(UnusableSchema) as caught:
        Schema(document)
    assert caught.value.pointer == pointer


def test_the_work_of_a_check_is_bounded():
    schema = Schema({"items": {"allOf": [{"type": "integer"}] * 900}})
    began = time.process_time()
    [fault] = schema.faults([1] * 100_000, "payload")
    assert fault["detail"] == "It has too many values for a schema of this size."
    assert time.process_time() - began < 0.1
    assert schema.faults([1] * 2_000, "payload") == []


def test_a_pattern_takes_linear_time():
    schema = Schema({"pattern": "^(a+)+$"})
    began = time.process_time()
    assert schema.faults("a" * 100_000 + "b", "payload")
    assert time.process_time() - began < 1


@given(PLAIN)
def test_any_json_is_a_schema_or_is_refused(document: Any):
    try:
        Schema(document).faults({"a": 1}, "payload")
    except UnusableSchema as error:
        assert error.detail
