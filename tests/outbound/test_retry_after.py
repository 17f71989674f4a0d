"""How long an answer asks to wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.outbound import retry_after

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
HOUR = 3_600


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0), ("7", 7), (" 120 ", 120), ("86400", 24 * HOUR), ("86401", 24 * HOUR), ("9" * 5_000, 24 * HOUR),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0),
        (format_datetime(NOW + timedelta(days=9), usegmt=True), 24 * HOUR),
        (None, 0), ("", 0), ("soon", 0), ("-5", 0), ("1.5", 0), ("١٢", 0), ("Mon, 99 Foo 99999 00:00:00 GMT", 0),
    ],
)  # fmt: skip
def test_retry_after_is_read_in_both_its_forms(header: str | None, seconds: float):
    assert retry_after.read(header, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [A-Z+0-9-]{1,6}"))
def test_any_retry_after_is_between_now_and_a_day(header: str):
    assert 0 <= retry_after.read(header, NOW) <= 24 * HOUR
