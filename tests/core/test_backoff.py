"""The delay before another attempt."""

import itertools
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.backoff import delay


def _delays(failures: Iterable[int], factor: float, maximum: float) -> list[float]:
    return [delay(number, factor=factor, maximum=maximum, jitter=False) for number in failures]


def test_a_delay_doubles_with_each_failure_up_to_its_maximum():
    assert _delays(range(1, 8), factor=1.5, maximum=40) == [1.5, 3, 6, 12, 24, 40, 40]


@pytest.mark.parametrize("failures", [63, 64, 1_100, 10_000])
def test_a_task_that_has_failed_very_often_waits_for_the_maximum(failures: int):
    assert _delays([failures], factor=1, maximum=600) == [600]


@given(st.integers(1, 100), st.floats(0.001, 1_000), st.floats(0.001, 100_000))
def test_jitter_draws_from_nothing_to_the_delay_without_it(failures: int, factor: float, maximum: float):
    [whole] = _delays([failures], factor, maximum)
    assert 0 <= delay(failures, factor=factor, maximum=maximum, jitter=True) <= whole <= maximum


def test_jitter_spreads_tasks_that_failed_together_over_the_whole_delay():
    drawn = sorted(delay(4, factor=1, maximum=60, jitter=True) for _ in range(1_000))
    # Of 1,000 even draws from 8 s no gap of 0.3 s is left, but in one of some 10^13 runs.
    assert max(later - earlier for earlier, later in itertools.pairwise([0, *drawn, 8])) < 0.3
