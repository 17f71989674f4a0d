"""The headers that an endpoint may have of its own."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outbound.http import httpx
from app.webhooks.endpoints import header_rules


@pytest.mark.parametrize(
    "name",
    [
        "Host", "host", "Content-Type", "content-length", "Transfer-Encoding", "Connection", "Proxy-Authorization",
        "proxy-x", "Cookie", "webhook-id", "Webhook-Signature", "webhook-x", "Metadata-Flavor", "Metadata",
        "X-aws-ec2-metadata-token", "Accept-Encoding", "Expect", "TE", "Trailer", "Upgrade", "Keep-Alive", "", "a b",
        "a:", "ü", "a\n", "x" * 129, "User-Agent",
    ],
)  # fmt: skip
def test_a_name_that_changes_the_request_or_is_none_is_refused(name: str):
    assert header_rules.validation_error({name: "x"})


@pytest.mark.parametrize("value", ["", " a", "a ", "a\r\nb: c", "a\nb", "a\0", "ü", "x" * 4_097])
def test_a_value_that_would_be_sent_otherwise_is_refused_and_not_repeated(value: str):
    fault = header_rules.validation_error({"X-A": value})
    assert fault
    assert len(value) < 3 or value not in fault


@pytest.mark.parametrize("value", ["a", "Bearer x y", "a\tb", "~!{}", "x" * 4_096])
def test_a_usual_value_is_taken(value: str):
    assert header_rules.validation_error({"Authorization": value, "X-Shop": value, "Accept": value}) is None


def test_a_header_is_given_once_and_not_too_many_are():
    assert header_rules.validation_error({"X-A": "1", "x-a": "2"})
    many = {f"X-{number}": "1" for number in range(21)}
    assert header_rules.validation_error(many)
    many.popitem()
    assert header_rules.validation_error(many) is None


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=20), max_size=3))
def test_what_is_taken_is_sent_as_it_is(headers: dict[str, str]):
    if header_rules.validation_error(headers) is None:
        sent = httpx.Headers(headers)
        assert {name: sent[name] for name in headers} == headers
        assert not any(set(value) & set("\r\n\0") for _, value in sent.raw for value in [value.decode()])
