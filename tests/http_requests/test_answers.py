"""What the answer of an endpoint means, and what is kept of it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http_requests import answers
from app.tasks.run import outcomes
from app.tasks.run.fingerprint import fingerprint
from tests.declared import task_type

ANYTHING = task_type(result=dict)


@pytest.mark.parametrize(
    ("status", "success", "verdict"),
    [
        (200, ["2xx"], "success"), (299, ["2xx"], "success"), (204, ["204"], "success"), (201, ["204"], "failure"),
        (404, ["2xx", "404"], "success"), (503, ["5xx"], "success"), (302, ["2xx"], "failure"), (302, ["3xx"], "success"),
        (400, ["2xx"], "failure"), (401, ["2xx"], "failure"), (404, ["2xx"], "failure"), (410, ["2xx"], "failure"),
        (408, ["2xx"], "again"), (425, ["2xx"], "again"), (429, ["2xx"], "again"), (500, ["2xx"], "again"),
        (502, ["2xx"], "again"), (503, ["2xx"], "again"), (599, ["2xx"], "again"),
    ],
)  # fmt: skip
def test_a_status_is_a_success_an_end_or_a_reason_to_try_again(status: int, success: list[str], verdict: str):
    assert answers.verdict(status, success) == verdict


@pytest.mark.parametrize(
    ("content_type", "body", "content"),
    [
        ("application/json", b'{"a":1}', {"json": {"a": 1}}),
        ("application/problem+json; charset=utf-8", b"null", {"json": None}),
        ("application/json", b"12345678901234567890123", {"json": 12345678901234567890123}),
        ("application/json", b"", {"text": ""}),
        ("application/json", b"{", {"text": "{"}),
        ("application/json", b"NaN", {"text": "NaN"}),
        ("application/json", b"1e999", {"text": "1e999"}),
        ("application/json", b'"\\ud800"', {"text": '"\\ud800"'}),
        ("application/json", b'"\\u0000"', {"text": '"\\u0000"'}),
        ("application/json", b"[" * 101 + b"]" * 101, {"text": "[" * 101 + "]" * 101}),
        ("application/json", b"[" * 100_000, {"text": "[" * 100_000}),
        ("application/json", b"9" * 5_000, {"text": "9" * 5_000}),
        ("text/plain", b'{"a":1}', {"text": '{"a":1}'}),
        (None, b"a\0b", {"text": "a\ufffdb"}),
        ("text/plain; charset=iso-8859-1", b"\xe4", {"text": "ä"}),
        ("text/plain", b"\xe4", {"text": "\ufffd"}),
        ("text/plain; charset=zlib", b"a", {"text": "a"}),
        ('text/plain; format=flowed; charset = "ISO-8859-1"', b"\xe4", {"text": "ä"}),
        ("text/plain; charset*=utf-8''a; charset*1=x; charset*=utf-8''b", b"a", {"text": "a"}),
        ("application/json, text/html", b"{}", {"text": "{}"}),
        ("text/plain; charset=unicode_escape", b"\\n", {"text": "\\n"}),
        ("image/png", b"\x89PNG", {"text": "\ufffdPNG"}),
        ("\xff;;;=", b"a", {"text": "a"}),
    ],
)
def test_a_body_is_json_where_it_can_be_kept_as_such_and_else_text(
    content_type: str | None, body: bytes, content: dict[str, object]
):
    assert answers.content(content_type, body) == content


@given(st.binary(max_size=200), st.sampled_from(["application/json", "text/plain; charset=utf-16", None]))
def test_any_body_can_be_stored(body: bytes, content_type: str | None):
    outcome = outcomes.success(ANYTHING, answers.content(content_type, body), 1_000_000)
    assert outcome.status == "SUCCESS", outcome.error


def test_an_error_says_the_status_and_how_the_answer_begins():
    assert str(answers.status_error(404, {"text": "no such job"})) == (
        "The endpoint answered with status 404 (Not Found). The answer begins: `no such job`"
    )
    assert str(answers.status_error(599, {"text": " \n"})) == "The endpoint answered with status 599."
    assert "Redirects are not followed" in str(answers.status_error(301, {"text": ""}))
    assert json.dumps("ä", ensure_ascii=False) in str(answers.status_error(400, {"json": "ä"}))
    assert len(str(answers.status_error(400, {"text": "a" * 100_000}))) < 700


def test_answers_that_differ_in_their_details_are_one_error_and_other_statuses_are_another():
    def same(status: int, text: str) -> object:
        error = answers.status_error(status, {"text": text})
        return fingerprint({"type": type(error).__name__, "message": str(error)})

    assert same(500, "no such job: a\n`b`") == same(500, "something else, at length " * 90) != same(503, "no such job")
