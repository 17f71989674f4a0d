"""When a waiting task starts, from how fast tasks end (pure). tests/races/test_queue_position.py reads both."""

from datetime import UTC, datetime, timedelta

import pytest

from app.tasks.read.queue_position import estimate

NOW = datetime(2026, 5, 4, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("position", "ends", "seconds", "starts_in"),
    [
        # 30 ends in the window of 300 s: one in 10 s.
        (1, 30, 299.0, 10),
        (6, 30, 299.0, 60),
        # A single end a moment ago is one end in 300 s, not a thousand a second.
        (2, 1, 0.01, 600),
        # So many ends are counted that they are not all of the window.
        (500, 1_000, 20.0, 10),
        (1, 1_000, 0.0, 0.000001),
    ],
)
def test_a_start_is_estimated_from_the_ends_of_the_last_minutes(
    position: int, ends: int, seconds: float, starts_in: float
) -> None:
    assert estimate(position, ends, seconds, NOW) == NOW + timedelta(seconds=starts_in)


def test_without_ends_there_is_no_estimate() -> None:
    assert estimate(1, 0, None, NOW) is None
