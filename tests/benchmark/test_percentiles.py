"""The statistics."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.benchmark import percentiles


@pytest.mark.parametrize(
    ("count", "percent", "expected"),
    [(200, 50, 100), (200, 99, 198), (201, 99, 199), (1, 50, 1), (1, 99, 1), (3, 50, 2)],
)
def test_a_percentile_is_the_nearest_rank(count: int, percent: float, expected: int) -> None:
    assert percentiles.percentile(list(range(count, 0, -1)), percent) == expected


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.integers(1, 100))
def test_so_many_values_are_not_above_a_percentile(values: list[float], percent: int) -> None:
    found = percentiles.percentile(values, percent)
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100 - 1e-6


def test_the_ratio_is_of_the_medians_and_its_range_of_the_rounds() -> None:
    assert percentiles.ratios([10, 20, 60], [5, 2, 3]) == (20 / 3, 2, 20)
