"""What a function returned or raised, made fit to be stored."""

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from app.tasks.run import outcomes
from tests.declared import task_type

MAX_BYTES = 1_000


class Anything(BaseModel):
    value: Any


@dataclass
class Pair:
    left: Any


def _success(result_type: Any, returned: Any) -> Any:
    return outcomes.success(task_type(result=result_type), returned, MAX_BYTES)


@pytest.mark.parametrize(
    ("returned", "stored"),
    [
        (1e22, "1e+22"),
        (1e308, "1e+308"),
        (-0.0, "-0.0"),
        (5, "5"),
        (None, "null"),
        ({"b": 1, "a": None}, '{"b":1,"a":null}'),
        ("a \\u0000 b", '"a \\\\u0000 b"'),
        (json.dumps({"name": "a\0b"}), r'"{\"name\": \"a\\u0000b\"}"'),
        ("\\\\\\u0000", r'"\\\\\\u0000"'),
        ("ü 😀", '"ü 😀"'),
        ({1: "a", "1": "b"}, '{"1":"b"}'),
    ],
)
def test_what_is_returned_is_stored_number_for_number(returned: Any, stored: str) -> None:
    ended = _success(Any, returned)
    assert (ended.status, ended.result) == ("SUCCESS", stored)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    ("result_type", "of"),
    [
        (float, lambda number: number),
        (Any, lambda number: number),
        (Any, lambda number: {"v": [None, (1, number)]}),
        (dict[str, Any], lambda number: {"v": number}),
        (dict[str, float], lambda number: {"v": number}),
        (Anything, lambda number: {"value": number}),
        (Any, lambda number: Anything(value={"a": {number}})),
        (Pair, Pair),
        (Any, lambda number: Pair([number])),
    ],
)
def test_a_number_that_json_does_not_have_is_unusable_whatever_its_type_says(
    result_type: Any, of: Any, number: float
) -> None:
    ended = _success(result_type, of(number))
    assert (ended.status, ended.result, ended.error["type"]) == ("FAILURE", None, "UnusableResult")


@pytest.mark.parametrize("returned", ["a\0b", {"a\0": 1}, "\\\0", "\ud800", {"\udfff": 1}, "x" * MAX_BYTES, object()])
def test_what_cannot_be_stored_is_unusable(returned: Any) -> None:
    ended = _success(Any, returned)
    assert (ended.status, ended.result, ended.error["type"]) == ("FAILURE", None, "UnusableResult")


class _OddMeta(type):
    __name__ = property(lambda cls: cls.told())  # type: ignore[assignment, misc]


def _odd(name: Any) -> Exception:
    def told(_: Any) -> Any:
        if isinstance(name, BaseException):
            raise name
        return name

    return _OddMeta("Odd", (Exception,), {"told": classmethod(told)})("message")  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("name", "told"),
    [("a\0b", "a\\0b"), ("\ud800", "\\ud800"), (7, "Exception"), (KeyError(), "Exception"), ("x" * 999, "x" * 128)],
)
def test_an_error_of_an_odd_name_is_told(name: Any, told: str) -> None:
    assert outcomes._error(_odd(name)) == {"type": told, "message": "message"}


class Mute(Exception):  # noqa: N818
    def __str__(self) -> str:
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("a\0b\ud800"), "a\\0b\\ud800"),
        (ValueError("x" * 5_000_000), "x" * 2_000),
        (Mute(), "(its message cannot be read)"),
    ],
)
def test_a_message_of_any_characters_is_told(error: Exception, told: str) -> None:
    assert outcomes._error(error)["message"] == told


def test_a_result_whose_own_code_would_end_the_process_is_unusable() -> None:
    class Leaves:
        @property
        def value(self) -> Any:
            raise SystemExit(3)

    class FromAttributes(BaseModel, from_attributes=True):
        value: int

    assert _success(FromAttributes, Leaves()).error["type"] == "UnusableResult"


def test_without_its_content_an_outcome_still_ends_the_attempt() -> None:
    success = outcomes.without_content(outcomes.Outcome("SUCCESS", "SUCCESS", result="1"))
    assert (success.status, success.error) == (
        "FAILURE", {"type": "UnusableResult", "message": "it cannot be stored"},
    )  # fmt: skip
    retry = outcomes.Outcome("RETRY", "FAILURE", error={"type": "E", "message": "m"}, delay_seconds=3)
    reduced = outcomes.without_content(retry)
    assert (reduced.status, reduced.attempt_status, reduced.delay_seconds) == ("RETRY", "FAILURE", 3)
    assert reduced.error == {"type": "UnusableError", "message": "what was raised cannot be stored"}
    assert outcomes.without_content(outcomes.returned(5)) == outcomes.returned(5)
