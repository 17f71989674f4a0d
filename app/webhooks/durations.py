"""Histograms of durations: counts by buckets, each wider than the one before by the square root of 2 (pure)."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

COUNT: Final = 30
"""Buckets of a histogram. The last one has no upper bound."""
BOUNDS: Final = tuple(2 ** (number / 2) for number in range(COUNT - 1))
"""Upper bounds of the others, in milliseconds: from 1 ms to 16 s, which is longer than any attempt takes."""


def place(milliseconds: float) -> int:
    """Return the number of the bucket of a duration, from 0."""
    return bisect_left(BOUNDS, milliseconds)


def one(milliseconds: float) -> list[int]:
    """Return the histogram of one duration."""
    counts = [0] * COUNT
    counts[place(milliseconds)] = 1
    return counts


def percentile(counts: Sequence[int], share: float) -> float | None:
    """Return an estimate of the duration below which a ``share`` (0 to 1) of the durations lie; None without any.

    Within a bucket they count as evenly spread, so the estimate is off by less than a third of itself.
    """
    wanted = share * sum(counts)
    if not wanted:
        return None
    below = 0
    for number, count in enumerate(counts):
        if below + count >= wanted:
            low, high = BOUNDS[number - 1] if number else 0.0, BOUNDS[min(number, COUNT - 2)]
            return low + max(high - low, 0.0) * (wanted - below) / count
        below += count
    raise AssertionError("a share of more than all")
