"""Which headers a tenant may set."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outbound import header_names

REFUSED = [
    "Host",
    "Content-Length",
    "Content-Encoding",
    "content-type",
    "Transfer-Encoding",
    "TE",
    "Trailer",
    "Connection",
    "Keep-Alive",
    "Upgrade",
    "Expect",
    "Cookie",
    "Proxy-Authorization",
    "proxy-connection",
    "webhook-id",
    "Webhook-Signature",
    "Idempotency-Key",
    "traceparent",
    "tracestate",
    "User-Agent",
    "Via",
    "Accept-Encoding",
    "Metadata",
    "Metadata-Flavor",
    "metadata-token",
    "X-aws-ec2-metadata-token",
    "x-aws-ec2-metadata-token-ttl-seconds",
    "X-Google-Metadata-Request",
    "X-Metadata-Token",
    "Task-Lease",
    "task-lease-deadline",
]


@pytest.mark.parametrize("name", REFUSED)
def test_a_header_of_ours_or_of_the_connection_is_refused(name: str):
    fault = header_names.fault(name, "x", allows_content_type=False)
    assert fault is not None
    assert "cannot be set" in fault


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "Accept", "If-Match", "X-Contents", "Prefer", "_x"])
def test_any_other_header_is_accepted(name: str):
    assert header_names.fault(name, "Bearer a b\tc", allows_content_type=False) is None


def test_the_type_of_a_body_is_accepted_where_there_is_one():
    assert header_names.fault("Content-Type", "text/csv", allows_content_type=True) is None
    assert header_names.fault("Content-Encoding", "gzip", allows_content_type=True) is not None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X", "a\r\nHost: b"), ("X", "a\nb"), ("X", "a\0b"), ("X", "ä"), ("X", ""), ("X", " a"), ("X", "a "), ("X", "a" * 4_097),
        ("", "a"), ("X Y", "a"), ("X:", "a"), ("X\n", "a"), ("Ä", "a"), ("X" * 129, "a"), ("Host ", "a"),
    ],
)  # fmt: skip
def test_what_could_begin_another_header_is_refused(name: str, value: str):
    assert header_names.fault(name, value, allows_content_type=True) is not None


@given(st.text(), st.text())
def test_nothing_with_a_line_break_passes(name: str, value: str):
    if header_names.fault(name, value, allows_content_type=True) is None:
        assert (name + value).isascii()
        assert not set(name + value) & set("\r\n\0")
