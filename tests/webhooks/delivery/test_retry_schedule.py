"""What follows a try."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.delivery import retry_schedule
from app.webhooks.delivery.retry_schedule import NextStep

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
