"""The statistics of a run, pure."""

import statistics
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that is not below ``percent`` of all (nearest rank); values in any order."""
    ordered = sorted(values)
    # Ceiling by negation: 99 % of 200 is the 198th, of 201 the 199th.
    rank = -int(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """Return the ratio of the medians, and the lowest and highest ratio within a round."""
    each = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return median(ours) / median(theirs), min(each), max(each)
