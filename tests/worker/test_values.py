"""Whatever a task's code reports, raises or returns, its attempt ends, once."""

from typing import Any

import pytest

from tests.conftest import Tenant

ODD_REPORTS = {
    "nan": {"done": None, "total": 1, "note": None},
    "inf": {"done": 1, "total": None, "note": None},
    "decimal": {"done": 0.5, "total": 1, "note": None},
    "huge": {"done": None, "total": float(2**64), "note": None},
    "no number": {"done": None, "total": None, "note": None},
    "nul": {"done": 1, "total": 2, "note": "a\\0b"},
    "surrogate": {"done": 1, "total": 2, "note": "a\\ud800b"},
    "long": {"done": 1, "total": 2, "note": "\\0" * 128},
    "no text": {"done": 1, "total": 2, "note": "['a']"},
    "raw nan": None,
    "raw nul": None,
    "raw surrogate": None,
    "raw object": None,
}


@pytest.mark.parametrize(("name", "stored"), ODD_REPORTS.items(), ids=ODD_REPORTS.keys())
def test_a_report_that_cannot_be_stored_costs_no_attempt(acme: Tenant, name: str, stored: dict[str, Any] | None):
    # Others of the same group of ends, before and behind.
    before, odd, after = [
        outcome["task_id"]
        for outcome in acme.client.post(
            "/api/tasks/batch",
            json={"tasks": [{"task": "echo"}, {"task": "test.reports", "payload": {"name": name}}, {"task": "echo"}]},
        ).json()["outcomes"]
    ]
    ended = acme.result(odd)
    assert (ended["status"], ended["result"]) == ("SUCCESS", "done")
    assert acme.status(odd)["progress"] == stored
    for task_id in (before, odd, after):
        attempts = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"]
        assert {attempt["status"] for attempt in attempts} <= {"SUCCESS", "RETURNED"}
        assert acme.result(task_id)["status"] == "SUCCESS"


def test_an_error_of_an_odd_name_and_message_is_told(acme: Tenant):
    error = acme.result(acme.submit(task="test.odd_error"))["error"]
    assert error["type"] == "a\\0\\ud800" * 14 + "a\\"
    assert error["message"] == ("\\0\\udfff" * 251)[:2000]
    assert error["attempt"] == 1


def test_nan_is_unusable_where_no_type_tells_of_it(acme: Tenant):
    error = acme.result(acme.submit(task="test.any_nan"))["error"]
    assert (error["type"], error["message"]) == ("UnusableResult", "not JSON: it holds NaN or an infinity")


@pytest.mark.parametrize("text", ["a \\u0000 b", '{"name": "a\\u0000b"}', "\\\\u0000", "\\\\\\u0000"])
def test_a_text_that_spells_an_escape_is_no_nul(acme: Tenant, text: str):
    ended = acme.result(acme.submit(task="echo", payload=text))
    assert (ended["status"], ended["result"]) == ("SUCCESS", text)


STRICT = {
    "day": "2027-01-01",
    "moment": "2027-01-01T10:00:00Z",
    "length": "PT1M30S",
    "id": "019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10",
    "colour": "red",
    "amount": "1.10",
    "raw": "abc",
    "pair": [1, "a"],
    "some": [2],
}


@pytest.mark.parametrize(("task", "payload"), [("test.strict", STRICT), ("test.strict_member", {"day": "2027-01-01"})])
def test_what_a_strict_model_takes_at_its_submit_it_takes_in_the_attempt(acme: Tenant, task: str, payload: Any):
    ended = acme.result(acme.submit(task=task, payload=payload))
    assert (ended["status"], ended["result"]) == ("SUCCESS", payload)


def test_a_submit_that_a_validator_of_an_operator_refuses_repeats_nothing(acme: Tenant):
    refused = acme.client.post("/api/tasks/submit", json={"task": "test.card", "payload": {"card": "refused"}})
    assert refused.status_code == 422
    assert refused.json()["errors"] == [{"pointer": "#/payload/card", "detail": "Input is not what this field takes"}]


def test_a_payload_that_the_worker_does_not_take_is_told_without_it(acme: Tenant):
    # The validator asks which process it is in, as a model that has changed since would decide anew.
    error = acme.result(acme.submit(task="test.card", payload={"card": "4111-1111"}))["error"]
    assert (error["type"], error["message"]) == (
        "UnusablePayload", "#/payload/card: Input is not what this field takes",
    )  # fmt: skip
