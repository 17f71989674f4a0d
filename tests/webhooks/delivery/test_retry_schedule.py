"""What follows a try."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.delivery import retry_schedule
from app.webhooks.delivery.retry_schedule import NextStep

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MINUTE, HOUR = 60, 3_600


@given(st.integers(200, 299), st.integers(1, 20))
def test_a_2xx_is_delivered(status: int, attempt: int):
    assert retry_schedule.after(attempt, status) == NextStep("DELIVERED")


@pytest.mark.parametrize("attempt", range(1, 10))
def test_a_failed_try_is_followed_by_one_on_schedule(attempt: int):
    seconds = [5, 5 * MINUTE, 30 * MINUTE, *(hours * HOUR for hours in (2, 5, 10, 14, 20, 24))][attempt - 1]
    for status in (None, 302, 400, 401, 404, 429, 500, 503):
        step = retry_schedule.after(attempt, status)
        assert step.status == "PENDING"
        assert 0.9 * seconds <= step.delay_seconds <= 1.1 * seconds


def test_delays_are_spread():
    assert len({retry_schedule.after(1, 500).delay_seconds for _ in range(50)}) == 50


@pytest.mark.parametrize("attempt", [10, 11, 1_000])
def test_the_tenth_try_is_the_last(attempt: int):
    assert retry_schedule.after(attempt, 500) == NextStep("FAILED")


def test_gone_ends_it_at_once():
    assert retry_schedule.after(1, 410) == NextStep("FAILED")


def test_retry_after_is_a_lower_bound():
    assert retry_schedule.after(1, 429, 3_000).delay_seconds == 3_000
    assert retry_schedule.after(2, 429, 10).delay_seconds >= 270


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
    assert retry_schedule.retry_after(header, NOW) == seconds


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d{1,4} [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d [A-Z+0-9-]{1,6}"))
def test_any_retry_after_is_between_now_and_a_day(header: str):
    assert 0 <= retry_schedule.retry_after(header, NOW) <= 24 * HOUR
