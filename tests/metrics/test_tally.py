"""Counts by label values, bounded, and sent from one process to another."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from app.metrics.tally import BUCKETS, MAX_SERIES, OTHER, Tally


def test_what_is_counted_adds_up() -> None:
    tally = Tally()
    tally.count("requests", ("GET", "200"))
    tally.count("requests", ("GET", "200"), by=2)
    tally.count("requests", ("GET", "500"))
    assert sorted(tally.counters()) == [("requests", ("GET", "200"), 3), ("requests", ("GET", "500"), 1)]


@given(st.lists(st.floats(min_value=0, max_value=1e5), min_size=1))
def test_each_duration_is_in_the_first_bucket_that_holds_it(seconds: list[float]) -> None:
    tally = Tally()
    for one in seconds:
        tally.observe("run", (), one)
    ((_, _, counts, total),) = tally.histograms()
    bounds = [*BUCKETS, math.inf]
    for index, bound in enumerate(bounds):
        lower = bounds[index - 1] if index else -1
        assert counts[index] == sum(lower < one <= bound for one in seconds)
    assert math.isclose(total, sum(seconds))


def test_taking_empties_and_adding_brings_it_to_the_other_side() -> None:
    child, parent = Tally(), Tally()
    for _ in range(2):
        child.count("attempts", ("echo", "free"))
        child.observe("run", ("echo", "free"), 0.2)
        # As it travels.
        parent.add(json.loads(json.dumps(child.take())))
    assert list(child.counters()) == []
    assert list(child.histograms()) == []
    assert list(parent.counters()) == [("attempts", ("echo", "free"), 2)]
    ((_, labels, counts, total),) = parent.histograms()
    assert labels == ("echo", "free")
    assert sum(counts) == 2
    assert math.isclose(total, 0.4)


def test_beyond_the_bound_values_are_counted_together() -> None:
    tally = Tally()
    for number in range(MAX_SERIES + 50):
        tally.count("attempts", (f"type{number}", "free"))
    found = {labels: value for _, labels, value in tally.counters()}
    assert len(found) == MAX_SERIES + 1
    assert found[OTHER, OTHER] == 50
    assert sum(found.values()) == MAX_SERIES + 50
