"""Percentiles of histograms, as pure functions. tests/races/test_stats.py compares the buckets with the database's."""

import bisect
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.stats import histogram
from app.stats.histogram import LAST, MAX_ERROR

BOUNDS = [histogram.bound(bucket) for bucket in range(1, LAST + 1)]
# From less than a millisecond to the shortest time of the last bucket.
TIMES = st.lists(st.floats(0, BOUNDS[-1], exclude_max=True), min_size=1, max_size=200)
SHARES = st.sampled_from([0.5, 0.95, 0.99, 1.0])


def _bucket(seconds: float) -> int:
    return bisect.bisect_right(BOUNDS, seconds)


@given(TIMES, SHARES)
def test_a_percentile_is_at_most_19_percent_off(times: list[float], share: float):
    found = histogram.percentile(Counter(map(_bucket, times)), share)
    exact = sorted(times)[math.ceil(share * len(times)) - 1]
    assert found is not None
    assert abs(found - exact) <= (0.001 if exact < 0.001 else exact * (MAX_ERROR + 1e-9))


def test_the_bound_of_the_error_is_19_percent():
    assert round(MAX_ERROR, 2) == 0.19


@given(st.dictionaries(st.integers(0, LAST), st.integers(1, 10**6), min_size=1))
def test_percentiles_rise_and_lie_between_the_extremes(counts: dict[int, int]):
    found = [histogram.percentile(counts, share) for share in (0.001, 0.5, 0.95, 0.99, 1)]
    assert found == sorted(found, key=lambda value: value or 0.0)
    assert (found[-1], found[0]) >= (histogram.middle(max(counts)), histogram.middle(min(counts)))


def test_without_times_there_is_no_percentile():
    assert histogram.percentile({}, 0.5) is None


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, LAST), st.integers(1, 2**40))))
def test_a_row_is_read_as_it_is_stored_and_equal_keys_are_added(elements: list[tuple[int, int, int]]):
    expected: list[Counter[int]] = [Counter(), Counter(), Counter()]
    for kind, bucket, count in elements:
        expected[kind][bucket] += count
    times = histogram.read(count * 256 + kind * 64 + bucket for kind, bucket, count in elements)
    assert (times.run, times.wait_for_limit, times.wait_for_platform) == tuple(expected)


@pytest.mark.parametrize(("bucket", "seconds"), [(1, 0.001), (3, 0.002), (21, 1.024), (LAST, 2**31 / 1000)])
def test_bounds_are_powers_of_the_square_root_of_two(bucket: int, seconds: float):
    assert histogram.bound(bucket) == pytest.approx(seconds)
