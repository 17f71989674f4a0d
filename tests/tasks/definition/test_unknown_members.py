"""Members that a model does not have are refused at the submit, at any depth; an attempt ignores them."""

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, RootModel

from app.core import ids
from app.core.errors import InvalidRequest
from app.tasks.definition import payloads, types, unknown_members
from app.tasks.schemas import SubmitOptions, SubmitRequest
from app.tasks.submit import validation
from app.tenants import plans
from tests.declared import task_type


class Plain(BaseModel):
    a: int = 0


class Ignoring(BaseModel):
    model_config = ConfigDict(extra="ignore")
    a: int = 0


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 0


class Whole(BaseModel):
    """Fields with the names of parts of a schema, a union, and a model inside of itself."""

    default: Plain = Field(default_factory=Plain)
    type: Plain = Field(default_factory=Plain)
    union: Plain | int | None = None
    ignoring: Ignoring = Field(default_factory=Ignoring)
    open: Open = Field(default_factory=Open)
    free: dict[str, Any] = Field(default_factory=dict)
    children: "list[Whole]" = Field(default_factory=list)


@pytest.mark.parametrize(
    ("payload", "pointer"),
    [
        ('{"defualt":{}}', "#/payload/defualt"),
        ('{"default":{"x":1}}', "#/payload/default/x"),
        ('{"type":{"x":1}}', "#/payload/type/x"),
        ('{"union":{"x":1}}', "#/payload/union/Plain/x"),
        ('{"children":[{"children":[{"x":1}]}]}', "#/payload/children/0/children/0/x"),
    ],
)
def test_an_unknown_member_is_refused_at_the_submit_and_ignored_in_an_attempt(payload: str, pointer: str):
    declared = task_type(Whole)
    with pytest.raises(payloads.UnusablePayload) as refused:
        payloads.check(declared, payload)
    assert refused.value.faults[0]["pointer"] == pointer
    assert "no such member" in refused.value.faults[0]["detail"]
    assert isinstance(payloads.read(declared, payload), Whole)


def test_a_close_name_is_proposed():
    with pytest.raises(payloads.UnusablePayload, match="Did you mean default"):
        payloads.check(task_type(Whole), '{"defualt":{}}')


@pytest.mark.parametrize("payload", ['{"ignoring":{"x":1}}', '{"open":{"x":1}}', '{"free":{"x":1}}', "{}"])
def test_a_model_that_says_otherwise_is_obeyed(payload: str):
    payloads.check(task_type(Whole), payload)


def test_the_published_schema_says_the_same():
    schema = unknown_members.json_schema(Whole)
    closed = {name: model.get("additionalProperties") for name, model in schema["$defs"].items()}
    assert closed == {"Whole": False, "Plain": False, "Ignoring": None, "Open": True}
    # A list is no object, and has no members.
    assert "additionalProperties" not in unknown_members.json_schema(RootModel[list[int]])


def test_a_retry_takes_what_was_accepted_before_a_member_was_removed(monkeypatch: pytest.MonkeyPatch):
    declared, tenant_id, payload = task_type(Plain), ids.new_id(), '{"a":1,"removed":2}'
    monkeypatch.setattr(types, "find", {"test.declared": declared}.get)
    monkeypatch.setattr(types, "_load", lambda: None)
    repeated = validation.repeated_task(tenant_id, payload, SubmitOptions(), "test.declared", None)
    assert repeated.payload == payload
    asked = SubmitRequest(task="test.declared", payload={"a": 1, "removed": 2})
    with pytest.raises(InvalidRequest) as refused:
        validation.new_task(tenant_id, plans.PLANS["free"], asked, None)
    assert [fault["pointer"] for fault in refused.value.extensions["errors"]] == ["#/payload/removed"]
