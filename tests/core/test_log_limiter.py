"""A line that repeats is written once for each reason."""

import logging

import pytest

from app.core.log_limiter import LogLimiter


def test_each_reason_is_logged_once_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    limiter = LogLimiter(logging.getLogger("tests.log_limiter"))
    said = [limiter.warn("no tickets", reason=reason) for reason in ("full", "full", "away", "full", "away")]
    assert said == [True, False, True, False, False]
    assert [vars(record)["reason"] for record in caplog.records] == ["full", "away"]


def test_it_is_logged_again_after_the_interval(caplog: pytest.LogCaptureFixture) -> None:
    assert all(
        LogLimiter(logging.getLogger("tests.log_limiter"), 0).warn("no tickets", reason="full") for _ in range(3)
    )
