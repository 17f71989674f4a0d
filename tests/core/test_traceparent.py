"""What is made of a traceparent: the rules of W3C Trace Context, level 1, 3.2 and 4."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import traceparent

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
WHOLE = f"{TRACE}-{PARENT}"


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (f"00-{WHOLE}-01", f"00-{WHOLE}-01"),
        (f"00-{WHOLE}-03", f"00-{WHOLE}-03"),
        (f" 00-{WHOLE}-00\t", f"00-{WHOLE}-00"),
        (f"01-{WHOLE}-01", f"00-{WHOLE}-01"),
        (f"01-{WHOLE}-ff", f"00-{WHOLE}-01"),
        (f"cc-{WHOLE}-02-what-comes-later", f"00-{WHOLE}-00"),
        (f"01-{WHOLE}-01-", f"00-{WHOLE}-01"),
    ],
)
def test_a_trace_goes_on_whatever_the_version(sent: str, read: str):
    assert traceparent.read([sent]) == read


@pytest.mark.parametrize(
    "sent",
    [
        "", "x", WHOLE, f"ff-{WHOLE}-01", f"00-{WHOLE}-01-more", f"00-{WHOLE}-01-", f"01-{WHOLE}-01more", f"01-{WHOLE}-0",
        f"00-{'0' * 32}-{PARENT}-01", f"00-{TRACE}-{'0' * 16}-01", f"00-{WHOLE.upper()}-01", f"0-{WHOLE}-01",
        f"00-{WHOLE}-1", f"00-{TRACE[1:]}-{PARENT}-01", f"00_{TRACE}_{PARENT}_01", f"00-{WHOLE}-01\n", f"0x-{WHOLE}-01",
    ],
)  # fmt: skip
def test_what_cannot_be_read_begins_a_trace(sent: str):
    assert traceparent.read([sent]) is None


def test_two_headers_name_no_trace_and_none_names_none():
    assert traceparent.read([f"00-{WHOLE}-01"] * 2) is None
    assert traceparent.read([]) is None


@given(st.lists(st.text(), max_size=2))
def test_no_text_is_an_error(sent: list[str]):
    assert traceparent.read(sent) is None or len(sent) == 1
