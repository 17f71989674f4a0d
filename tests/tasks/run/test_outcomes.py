"""What a function returned or raised, made fit to be stored."""

import json
import math
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import BaseModel

from app.tasks import TaskFailure, TaskRetry, TaskSnooze
from app.tasks.definition.control import PutOff
from app.tasks.run import outcomes
from app.tasks.run.attempts import Outcome, RetryState
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


@pytest.mark.parametrize(
    ("failed_attempts", "error", "status", "delay_seconds"),
    [
        (0, TaskRetry(after=7), "RETRY", 7),
        (0, TaskRetry(after=0), "RETRY", 0),
        (1, TaskRetry(), "RETRY", 4),
        (3, TaskRetry(after=7), "FAILURE", 0),
        (0, TaskFailure("m"), "FAILURE", 0),
    ],
)
def test_code_may_ask_for_another_attempt_or_for_the_end(
    failed_attempts: int, error: Exception, status: str, delay_seconds: float
) -> None:
    for autoretry_for in [(), (Exception,)]:
        kind = replace(task_type(), autoretry_for=autoretry_for, retry_backoff=2)
        ended = outcomes.failure(kind, RetryState("test.declared", failed_attempts, 4, 0), error)
        assert (ended.status, ended.attempt_status, ended.delay_seconds) == (status, "FAILURE", delay_seconds)


class _Limit(PutOff):
    pass


def test_a_limit_puts_an_attempt_off_as_often_as_it_takes() -> None:
    ended = outcomes.put_off(_Limit("five a second", after=3))
    assert (ended.status, ended.attempt_status, ended.delay_seconds) == ("PENDING", "RETURNED", 3)
    assert ended.error == {"type": "_Limit", "message": "five a second"}


def test_a_snooze_counts_as_no_failure_and_is_bounded() -> None:
    ended = outcomes.snoozed(TaskSnooze(after=60), 99)
    assert (ended.status, ended.attempt_status, ended.delay_seconds) == ("PENDING", "RETURNED", 60)
    assert ended.error == {"type": "TaskSnooze", "message": "again in 60 s"}
    ended = outcomes.snoozed(TaskSnooze(after=60), 100)
    assert (ended.status, ended.attempt_status, ended.error["type"]) == ("FAILURE", "FAILURE", "TooManySnoozes")


class _Unprepared(TaskSnooze, TaskRetry):
    def __init__(self, after: Any) -> None:
        self.after = after


@pytest.mark.parametrize("after", ["soon", -1.0, math.nan, 1e12, None])
def test_a_delay_that_a_subclass_has_spoilt_is_none(after: Any) -> None:
    assert outcomes.snoozed(_Unprepared(after), 0).status == "FAILURE"
    kind = replace(task_type(), retry_backoff=2)
    assert outcomes.failure(kind, RetryState("test.declared", 0, 4, 0), _Unprepared(after)).delay_seconds == 2


class _Passing(Exception):  # noqa: N818 its name is told
    """What is worth another attempt."""


@pytest.mark.parametrize(
    ("failed_attempts", "error", "status", "delay_seconds"),
    [
        (0, _Passing("m"), "RETRY", 2),
        (1, _Passing("m"), "RETRY", 4),
        (2, _Passing("m"), "RETRY", 5),
        (3, _Passing("m"), "FAILURE", 0),
        (0, ValueError("m"), "FAILURE", 0),
        (0, outcomes.TimeLimitExceeded("m"), "FAILURE", 0),
    ],
)
def test_what_was_raised_is_tried_again_where_the_type_says_so_and_attempts_are_left(
    failed_attempts: int, error: Exception, status: str, delay_seconds: float
) -> None:
    kind = replace(task_type(), autoretry_for=(_Passing,), retry_backoff=2, retry_backoff_max=5)
    tried = RetryState("test", failed_attempts=failed_attempts, max_attempts=4, times_lost=0)
    assert outcomes.failure(kind, tried, error) == Outcome(
        status,  # type: ignore[arg-type]
        "FAILURE",
        error={"type": type(error).__name__, "message": "m"},
        delay_seconds=delay_seconds,
    )


@pytest.mark.parametrize(
    ("outcome", "status", "attempt_status", "error_type"),
    [
        (outcomes.lost(0), "PENDING", "LOST", None),
        (outcomes.lost(outcomes.MAX_LOST - 2), "PENDING", "LOST", None),
        (outcomes.lost(outcomes.MAX_LOST - 1), "FAILURE", "LOST", "WorkerLost"),
        (outcomes.lost(outcomes.MAX_LOST + 3), "FAILURE", "LOST", "WorkerLost"),
        (outcomes.taken_away(), "PENDING", "LOST", "WorkerRestarted"),
        (outcomes.revoked(), "REVOKED", "REVOKED", "Cancelled"),
        (outcomes.returned(7), "PENDING", "RETURNED", None),
    ],
)
def test_an_end_from_outside_says_what_becomes_of_the_task(
    outcome: Outcome, status: str, attempt_status: str, error_type: str | None
) -> None:
    assert (outcome.status, outcome.attempt_status) == (status, attempt_status)
    assert (outcome.error or {}).get("type") == error_type
    assert outcome.result is None
