"""What a tenant's own worker reports becomes an outcome that can be stored."""

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.definition.json_schemas import Schema
from app.tasks.definition.own_types import OwnType, RetryPolicy
from app.tasks.run import remote_outcomes
from app.tasks.run.remote_outcomes import Reported


class Counts(NamedTuple):
    """The attempts of a task."""

    failed_attempts: int
    max_attempts: int


def _type(result_schema: Any = None) -> OwnType:
    schema = None if result_schema is None else Schema(result_schema)
    return OwnType("t", 3, 900.0, 60, RetryPolicy(retry_jitter=False), None, schema)


def test_a_result_is_kept_as_json():
    outcome = remote_outcomes.result(_type(), {"n": 9007199254740993, "é": [1.5, None]}, 100)
    assert (outcome.status, outcome.attempt_status) == ("SUCCESS", "SUCCESS")
    assert outcome.result == '{"n":9007199254740993,"é":[1.5,null]}'


@pytest.mark.parametrize("own", [_type({"type": "integer"}), None])
def test_a_result_over_the_limit_ends_the_task(own: OwnType | None):
    outcome = remote_outcomes.result(own, "x" * 100, 50)
    assert (outcome.status, outcome.result) == ("FAILURE", None)
    assert outcome.error is not None
    assert outcome.error["type"] == "UnusableResult"
    assert "102 bytes" in outcome.error["message"]


def test_a_result_that_does_not_fit_ends_the_task_without_another_attempt():
    outcome = remote_outcomes.result(_type({"type": "integer"}), "secret", 50)
    assert (outcome.status, outcome.attempt_status) == ("FAILURE", "FAILURE")
    assert "secret" not in str(outcome.error)


@pytest.mark.parametrize(
    ("counts", "error", "status", "delay"),
    [
        (Counts(0, 3), Reported("E", "m"), "RETRY", 1.0),
        (Counts(1, 3), Reported("E", "m"), "RETRY", 2.0),
        (Counts(2, 3), Reported("E", "m"), "FAILURE", 0),
        (Counts(0, 1), Reported("E", "m"), "FAILURE", 0),
        (Counts(0, 3), Reported("E", "m", retry=False), "FAILURE", 0),
        (Counts(1, 3), Reported("E", "m", after_seconds=0), "RETRY", 0),
        (Counts(1, 3), Reported("E", "m", after_seconds=77), "RETRY", 77),
    ],
)
def test_an_error_is_tried_again_as_the_type_and_the_worker_say(
    counts: Counts, error: Reported, status: str, delay: float
):
    outcome = remote_outcomes.failure(_type(), counts, error, is_cancelled=False)
    assert (outcome.status, outcome.attempt_status, outcome.delay_seconds) == (status, "FAILURE", delay)
    assert outcome.error == {"type": "E", "message": "m"}


def test_the_error_of_a_cancelled_task_ends_it_revoked():
    outcome = remote_outcomes.failure(None, Counts(0, 3), Reported("E", "m"), is_cancelled=True)
    assert (outcome.status, outcome.attempt_status) == ("REVOKED", "REVOKED")


@given(st.integers(0, 30), st.integers(1, 25), st.booleans())
def test_no_task_is_tried_more_often_than_it_may(failed: int, most: int, retry: bool):
    outcome = remote_outcomes.failure(
        _type(), Counts(failed, most), Reported("E", "m", retry=retry), is_cancelled=False
    )
    assert (outcome.status == "RETRY") == (retry and failed + 1 < most)
