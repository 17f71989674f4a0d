"""Counts of one process by label values (pure): bounded in number, and small enough to be sent to another process."""

import threading
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

Labels: TypeAlias = tuple[str, ...]

OTHER: Final = "other"
"""The value of each label of what is counted together, once a metric has ``MAX_SERIES`` combinations."""
MAX_SERIES: Final = 1_000
BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0)
"""Upper bounds of all histograms, in seconds: from a request to a long task. One more bucket has no bound."""


class Tally:
    """Counters and histograms. Any thread may call it."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Labels], float] = {}
        # The count of each bucket, then the sum of seconds.
        self._times: dict[tuple[str, Labels], list[float]] = {}
        self._series: dict[str, int] = {}

    def count(self, name: str, labels: Labels, by: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            key = self._key(self._counts, name, labels)
            self._counts[key] = self._counts.get(key, 0) + by

    def observe(self, name: str, labels: Labels, seconds: float) -> None:
        """Add a duration to a histogram."""
        with self._lock:
            row = self._row(name, labels)
            row[bisect_left(BUCKETS, seconds)] += 1
            row[-1] += seconds

    def take(self) -> list[Any]:
        """Return everything that was counted since the last call, as plain lists that ``add`` understands."""
        with self._lock:
            counts, times = self._counts, self._times
            self._counts, self._times, self._series = {}, {}, {}
        return [[[name, labels, n] for (name, labels), n in counts.items()],
                [[name, labels, row] for (name, labels), row in times.items()]]  # fmt: skip

    def add(self, taken: list[Any]) -> None:
        """Add what the tally of another process has taken."""
        counts, times = taken
        for name, labels, n in counts:
            self.count(name, tuple(labels), n)
        with self._lock:
            for name, labels, values in times:
                row = self._row(name, tuple(labels))
                row[:] = [mine + more for mine, more in zip(row, values, strict=True)]

    def counters(self) -> Iterable[tuple[str, Labels, float]]:
        """Return each counter's name, label values and value."""
        with self._lock:
            return [(name, labels, n) for (name, labels), n in self._counts.items()]

    def histograms(self) -> Iterable[tuple[str, Labels, list[float], float]]:
        """Return each histogram's name, label values, count in each bucket (not cumulated), and sum."""
        with self._lock:
            return [(name, labels, row[:-1], row[-1]) for (name, labels), row in self._times.items()]

    def _row(self, name: str, labels: Labels) -> list[float]:
        key = self._key(self._times, name, labels)
        row = self._times.get(key)
        if row is None:
            row = self._times[key] = [0.0] * (len(BUCKETS) + 2)
        return row

    def _key(self, known: dict[tuple[str, Labels], Any], name: str, labels: Labels) -> tuple[str, Labels]:
        if (key := (name, labels)) in known:
            return key
        # Each combination of label values costs memory here and in Prometheus for ever, so their number is bounded.
        number = self._series.get(name, 0)
        if number >= MAX_SERIES:
            return name, (OTHER,) * len(labels)
        self._series[name] = number + 1
        return key
