"""The body that the form of an endpoint makes."""

from datetime import UTC, datetime

import pytest

from app.console import endpoint_form
from app.console.form_models import checked
from app.console.forms import Form
from app.core.errors import InvalidRequest
from app.webhooks.endpoints.schemas import EndpointChange

URL = "https://hooks.example.com/tasks"


def _body(**fields: str) -> dict[str, object]:
    return endpoint_form.body(Form([("url", URL), ("event_type", "task.failed"), *fields.items()]))


def test_an_empty_field_is_a_default_and_keeps_the_headers():
    expected = {
        "url": URL,
        "event_types": ["task.failed"],
        "filter": None,
        "description": None,
        "rate_per_second": None,
    }
    assert _body() == expected
    assert _body(no_headers="yes") == expected | {"headers": {}}


def test_lists_and_headers_are_read_as_a_person_writes_them():
    made = _body(
        tasks="echo, long_task,", tags=" ü ", headers="X-Shop: berlin\r\n\r\nX-Time: 12:30", rate_per_second="5"
    )
    assert made["filter"] == {"tasks": ["echo", "long_task"], "tags": ["ü"]}
    assert made["headers"] == {"X-Shop": "berlin", "X-Time": "12:30"}
    assert made["rate_per_second"] == 5


@pytest.mark.parametrize("rate", ["many", "-1", "0", "9" * 5_000, "²", "1.5"])
def test_a_rate_that_is_none_is_named(rate: str):
    with pytest.raises(InvalidRequest) as refused:
        checked(EndpointChange, {"rate_per_second": _body(rate_per_second=rate)["rate_per_second"]})
    assert [fault["pointer"] for fault in refused.value.extensions["errors"]] == ["#/rate_per_second"]


def test_a_past_time_is_chosen_or_written():
    now = datetime(2027, 1, 31, 9, tzinfo=UTC)
    assert endpoint_form.since("24h", now) == "2027-01-30T09:00:00+00:00"
    assert endpoint_form.since("2027-01-01T00:00:00Z", now) == "2027-01-01T00:00:00Z"
    with pytest.raises(InvalidRequest):
        endpoint_form.since("", now)
