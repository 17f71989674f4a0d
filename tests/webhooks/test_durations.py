"""Histograms of durations: every duration has one bucket, and percentiles come close to the true ones."""

import math

from hypothesis import given
from hypothesis import strategies as st

from app.webhooks import durations

_MILLISECONDS = st.floats(min_value=0, max_value=16_000)


@given(st.floats(min_value=0, max_value=1e9))
def test_a_duration_is_in_the_bucket_that_ends_at_or_after_it(milliseconds: float):
    counts = durations.one(milliseconds)
    assert (len(counts), sum(counts)) == (durations.COUNT, 1)
    number = counts.index(1)
    assert number == durations.COUNT - 1 or milliseconds <= durations.BOUNDS[number]
    assert number == 0 or milliseconds > durations.BOUNDS[number - 1]


@given(st.lists(_MILLISECONDS, min_size=1, max_size=200), st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_within_the_bucket_of_the_true_one(milliseconds: list[float], share: float):
    counts = [sum(column) for column in zip(*map(durations.one, milliseconds), strict=True)]
    true = sorted(milliseconds)[math.ceil(share * len(milliseconds)) - 1]
    found = durations.percentile(counts, share)
    assert found is not None
    number = durations.place(true)
    low = durations.BOUNDS[number - 1] if number else 0.0
    assert low <= found <= durations.BOUNDS[min(number, durations.COUNT - 2)]


def test_nothing_has_no_percentile_and_what_is_beyond_the_last_bound_has_that_bound():
    assert durations.percentile([0] * durations.COUNT, 0.5) is None
    assert durations.percentile(durations.one(1e6), 0.5) == durations.BOUNDS[-1]
