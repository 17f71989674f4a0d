"""The times of a schedule: interval, window, start and end."""

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import ids
from app.schedules import timing
from app.schedules.timing import Timing

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def _timing(**changes: Any) -> Timing:
    return Timing(**({"cron": None, "every_seconds": 90, "timezone": "UTC", "anchor": NOON} | changes))


def _first(times: Timing, after: datetime, count: int = 3) -> list[float]:
    return [(moment - NOON).total_seconds() for moment in islice(times.from_now_on(after), count)]


def test_an_interval_counts_from_its_anchor_whenever_one_looks():
    assert _first(_timing(), NOON) == [90, 180, 270]
    assert _first(_timing(), NOON + timedelta(seconds=89.9)) == [90, 180, 270]
    assert _first(_timing(), NOON + timedelta(seconds=90)) == [180, 270, 360]
    # The anchor itself is a fire, and nothing before it.
    assert _first(_timing(), NOON - timedelta(days=1)) == [0, 90, 180]


def test_a_start_within_a_second_is_not_before_itself():
    starts_at = NOON + timedelta(seconds=0.4)
    assert _first(_timing(anchor=starts_at, starts_at=starts_at), NOON - timedelta(hours=1)) == [1, 91, 181]


@pytest.mark.parametrize("seconds", [0, 30, 60])
def test_no_fire_is_before_the_start_or_after_the_end(seconds: int):
    minutely = _timing(
        cron="* * * * *",
        every_seconds=None,
        starts_at=NOON + timedelta(seconds=seconds),
        ends_at=NOON + timedelta(minutes=2),
    )
    assert _first(minutely, NOON - timedelta(days=3)) == {0: [0, 60, 120], 30: [60, 120], 60: [60, 120]}[seconds]


def test_a_shift_moves_every_fire_by_the_same_time():
    shifted = _timing(cron="0 * * * *", every_seconds=None, shift=timedelta(seconds=100))
    assert _first(shifted, NOON) == [100, 3700, 7300]
    assert _first(shifted, NOON + timedelta(seconds=100)) == [3700, 7300, 10900]


def test_a_shift_may_be_longer_than_the_interval():
    assert _first(_timing(every_seconds=10, shift=timedelta(seconds=25)), NOON + timedelta(seconds=60)) == [65, 75, 85]


def test_an_expression_that_never_fires_again_ends():
    assert _timing(ends_at=NOON).next_after(NOON) is None
    assert _timing().next_after(datetime.max.replace(tzinfo=UTC)) is None


def test_the_shift_of_an_id_is_stable_and_spreads_over_the_window():
    known = UUID("019ab2c4-7c1e-7d3a-9b50-5f0c6b1f2a10")
    assert timing.shift_of(known, 0) == timedelta()
    assert timing.shift_of(known, 600) == timing.shift_of(known, 600)
    shifts = [timing.shift_of(ids.new_id(), 9).total_seconds() for _ in range(500)]
    assert set(shifts) == set(range(10))


def test_times_are_described_in_english():
    assert _timing().describe() == "Every 90 seconds"
    assert (
        _timing(cron="@daily", every_seconds=None, timezone="Asia/Tokyo").describe()
        == "At 00:00 every day (Asia/Tokyo)"
    )


@given(st.integers(10, 10**7), st.integers(0, 10**8), st.integers(0, 86_400))
def test_an_interval_never_drifts(every: int, after: int, shift: int):
    times = _timing(every_seconds=every, shift=timedelta(seconds=shift))
    fires = times.next_after(NOON + timedelta(seconds=after))
    assert fires is not None
    offset = (fires - NOON).total_seconds() - shift
    assert offset % every == 0
    assert offset + shift > after
    assert offset == 0 or offset + shift - every <= after
