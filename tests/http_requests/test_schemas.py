"""What http_request takes, and what it refuses at the submit, with words that say what to do."""

import json
from typing import Any

import pytest

from app.http_requests.schemas import HttpRequestPayload
from app.tasks.definition import payloads, types
from app.tasks.definition.payloads import UnusablePayload
from tests.outbound.test_urls import GOOD, HOSTILE, LOOSE

URL = "https://api.example.com/jobs"


pytestmark = pytest.mark.usefixtures("settings")


def _read(**payload: Any) -> HttpRequestPayload:
    task_type = types.find("http_request")
    assert task_type is not None
    found: HttpRequestPayload = payloads.read(task_type, json.dumps({"url": URL} | payload))
    return found


def test_a_url_is_enough():
    found = _read()
    assert (found.method, found.headers, found.timeout_seconds, found.success) == ("POST", {}, 30, ["2xx"])
    assert not found.has_json
    assert found.text is None


@pytest.mark.parametrize("url", GOOD)
def test_a_public_https_url_is_accepted(url: str):
    assert _read(url=url).url == url


# JSON with half of a surrogate pair is refused before its members are looked at.
WHOLE = [url for url in HOSTILE if "\ud800" not in url]


@pytest.mark.parametrize("url", [*WHOLE, *LOOSE, "https://[::1]/", "http://localhost:8000/", "https://10.0.0.1/"])
def test_a_hostile_url_is_refused_although_webhooks_may_go_to_this_machine(url: str):
    with pytest.raises(UnusablePayload) as refused:
        _read(url=url)
    assert [fault["pointer"] for fault in refused.value.faults] == ["#/payload/url"]
    assert len(url) < 9 or url not in str(refused.value)


@pytest.mark.parametrize(
    ("payload", "pointer", "detail"),
    [
        ({"json": 1, "text": "a"}, "#/payload", "Give json or text, not both."),
        ({"json": None, "text": ""}, "#/payload", "Give json or text, not both."),
        ({"json": {}, "method": "GET"}, "#/payload", "A GET or HEAD request has no body: leave json and text out."),
        ({"method": "TRACE"}, "#/payload/method", "'GET'"),
        ({"method": "post"}, "#/payload/method", "'GET'"),
        ({"headers": {"Host": "a"}}, "#/payload/headers", "This header cannot be set"),
        ({"headers": {"X": "a\r\nHost: b"}}, "#/payload/headers", "A header has a name of"),
        ({"headers": {"X": "a", "x": "b"}}, "#/payload/headers", "A header is there twice."),
        ({"headers": {f"X{n}": "a" for n in range(33)}}, "#/payload/headers", "at most 32"),
        ({"timeout_seconds": 0}, "#/payload/timeout_seconds", "greater than or equal to 1"),
        ({"timeout_seconds": 301}, "#/payload/timeout_seconds", "less than or equal to 300"),
        ({"success": []}, "#/payload/success", "at least 1"),
        ({"success": ["2xx"] * 21}, "#/payload/success", "at most 20"),
        *(({"success": [one]}, "#/payload/success/0", "pattern") for one in ("1xx", "2x", "200-299", "20", "6xx", "")),
        ({"success": [200]}, "#/payload/success/0", "string"),
        ({"redirects": True}, "#/payload/redirects", "no such member"),
        ({"json_body": 1}, "#/payload/json_body", "no such member"),
    ],
)  # fmt: skip
def test_each_misfit_is_refused_with_its_place(payload: dict[str, Any], pointer: str, detail: str):
    with pytest.raises(UnusablePayload) as refused:
        _read(**payload)
    [fault] = refused.value.faults
    assert fault["pointer"] == pointer
    assert detail in fault["detail"]


def test_null_is_a_body_and_none_is_not():
    assert _read(json=None).has_json
    assert not _read(text="").has_json


def test_the_whole_type_is_described_for_clients():
    schema = HttpRequestPayload.model_json_schema()
    assert set(schema["properties"]) == {"url", "method", "headers", "json", "text", "timeout_seconds", "success"}
    assert schema["required"] == ["url"]
    for example in schema["examples"]:
        HttpRequestPayload.model_validate(example)
