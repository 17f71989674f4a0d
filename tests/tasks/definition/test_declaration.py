"""A declaration that could not run raises an error at import, which says what to write instead."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from app.tasks import TaskContext, task
from app.tasks.definition import types


class Numbers(BaseModel):
    a: int


def right(payload: Numbers, context: TaskContext) -> int:
    return payload.a


def no_context(payload: Numbers) -> int:
    return payload.a


def bound(self: Any, a: int) -> int:
    return a


def plain(a: int, b: int) -> int:
    return a + b


def three(a: int, b: int, c: int) -> int:
    return a + b + c


def swapped(context: TaskContext, payload: Numbers) -> int:
    return payload.a


def wrong_context(payload: Numbers, context: int) -> int:
    return payload.a


def by_name(*, payload: Numbers, context: TaskContext) -> int:
    return payload.a


def no_return(payload: Numbers, context: TaskContext):  # type: ignore[no-untyped-def]
    return payload.a


def yields(payload: Numbers, context: TaskContext) -> Iterator[int]:
    yield payload.a


def unknown(payload: "Missing", context: TaskContext) -> int:  # type: ignore[name-defined]  # noqa: F821
    return 1


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keep what a test declares from the other tests."""
    mine: dict[str, Any] = {}
    monkeypatch.setattr(types, "_registry", mine)
    return mine


def test_without_parentheses_it_says_where_the_name_goes(registry: dict[str, Any]):
    bare: Callable[..., Any] = task
    for declare in (bare, bare()):
        with pytest.raises(TypeError, match=r'write @task\("right"\) above def right'):
            declare(right)
    assert not registry


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (no_context, r"takes two arguments, the payload and the context: def no_context\(payload: MyPayload, "),
        (bound, "leave self out"),
        (plain, r"a needs the annotation of a pydantic model: def plain\("),
        (three, "Make a, b, c fields of the model"),
        (swapped, "context needs the annotation of a pydantic model"),
        (wrong_context, "context is the TaskContext of app.tasks"),
        (by_name, "takes two arguments"),
        (no_return, "say what it returns"),
        (yields, "not yield"),
        (unknown, "names Missing, which the module does not define"),
        (Numbers, "stands above a function"),
    ],
)
def test_a_signature_that_could_not_run_is_answered_with_the_right_one(function: Callable[..., Any], said: str):
    with pytest.raises(TypeError, match=said):
        task("test.declared")(function)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"max_retries": 3}, "max_retries=3 is max_attempts=4"),
        ({"bind": True}, "its context"),
        ({"countdown": 3}, "delay_seconds"),
        ({"acks_late": True}, "always runs again"),
        ({"ignore_result": True}, "retention_days"),
        ({"queue": "slow"}, "a queue of its own"),
        ({"timelimit": 3}, "Did you mean time_limit"),
        ({"speed": 3}, "there is no such option"),
        ({"max_attempts": "3"}, "max_attempts: a whole number"),
        ({"time_limit": "1m"}, "time_limit: a number of seconds"),
        ({"soft_time_limit": True}, "soft_time_limit: a number of seconds"),
        ({"retry_backoff": "1"}, "retry_backoff: True, False or a number"),
        ({"autoretry_for": OSError}, r"autoretry_for: a tuple of exception classes, such as \(OSError,\)"),
        ({"pool": "gevent"}, "pool: 'prefork' or 'asyncio'"),
    ],
)
def test_an_option_of_another_library_or_a_wrong_value_is_answered_with_what_to_write(
    options: dict[str, Any], said: str
):
    with pytest.raises(TypeError, match=said):
        task("test.declared", **options)(right)


def test_all_that_is_wrong_is_said_at_once():
    declare: Callable[..., Any] = task
    with pytest.raises(TypeError) as refused:
        declare("test.declared", max_retries=3, bind=True)(no_context)
    assert all(word in str(refused.value) for word in ("max_retries", "bind", "takes two arguments"))


def test_a_right_declaration_is_registered(registry: dict[str, Any]):
    assert task("test.declared", max_attempts=2)(right) is right
    assert registry["test.declared"].max_attempts == 2
