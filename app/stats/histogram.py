"""Read the histograms of times that the database counts, and estimate percentiles from them.

A histogram has 64 buckets, whose bounds are powers of the square root of 2 in milliseconds (migrations/functions:
stat_bucket).
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeAlias

LAST: Final = 63
"""The bucket of everything that is too long for the others: 24 days and more."""
MAX_ERROR: Final = 2**0.25 - 1
"""The largest relative error of an estimate from 1 ms to 24 days. Below 1 ms the estimate is 0."""

Histogram: TypeAlias = Mapping[int, int]
"""The number of times in each bucket."""


class StoredTimes(NamedTuple):
    """The histograms of the attempts that ended in one bucket of time, in the order in which they are stored."""

    run: Histogram
    wait_for_limit: Histogram
    """The part of each wait in which the tenant's running tasks stood at their limit."""
    wait_for_platform: Histogram
    """The rest of each wait."""


def read(stored: Iterable[int]) -> StoredTimes:
    """Return the histograms of a row: each element is ``count * 256 + key`` (COMMENT ON COLUMN stat.times)."""
    found: tuple[dict[int, int], ...] = ({}, {}, {})
    for element in stored:
        count, key = divmod(element, 256)
        histogram, bucket = divmod(key, LAST + 1)
        found[histogram][bucket] = found[histogram].get(bucket, 0) + count
    return StoredTimes(*found)


def percentile(histogram: Histogram, share: float) -> float | None:
    """Return the estimated time in seconds that this share (0 to 1) of the times do not exceed; None without times.

    It is the middle, on a logarithmic scale, of the bucket that has the time of this rank (nearest rank).
    """
    rank = math.ceil(share * sum(histogram.values()))
    for bucket, count in sorted(histogram.items()):
        rank -= count
        if rank <= 0:
            return middle(bucket)
    return None


def middle(bucket: int) -> float:
    """Return the time in seconds that stands for a bucket: its geometric middle.

    It is 0 for the first bucket, and the shortest time of the last.
    """
    if bucket == 0:
        return 0.0
    # The geometric middle makes the relative error the same to both sides.
    return bound(bucket) if bucket == LAST else math.sqrt(bound(bucket) * bound(bucket + 1))


def bound(bucket: int) -> float:
    """Return the shortest time in seconds of a bucket after the first."""
    return float(2 ** ((bucket - 1) / 2)) / 1000
