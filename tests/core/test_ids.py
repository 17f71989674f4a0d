"""Ids: in the order of their making, read as callers write them, and bounded by moments."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import ids


def test_each_id_is_greater_than_the_one_before_and_tells_its_time():
    before = ids.first_id_at(time.time() - 0.001)
    made = [ids.new_id() for _ in range(10_000)]
    assert all(earlier < later for earlier, later in pairwise([before, *made]))
    assert made[-1] < ids.first_id_at(time.time() + 0.1)
    assert {one.version for one in made} == {7}


def test_an_id_is_read_in_either_case():
    text = "0197a3c4-5e6f-7abc-8def-0123456789ab"
    assert ids.read(text) == ids.read(text.upper()) == uuid.UUID(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "0197a3c45e6f7abc8def0123456789ab", "{0197a3c4-5e6f-7abc-8def-0123456789ab}",
        "urn:uuid:0197a3c4-5e6f-7abc-8def-0123456789ab", "0197a3c4-5e6f-7abc-8def-0123456789ab\n",
        " 0197a3c4-5e6f-7abc-8def-0123456789ab", "0197a3c4-5e6f-7abc-8def-0123456789aß",
        "0197a3c4-5e6f-7abc-8def-0123456789a\N{ARABIC-INDIC DIGIT ONE}",
    ],
)  # fmt: skip
def test_another_spelling_is_no_id(text: str):
    assert ids.read(text) is None


@given(st.datetimes(datetime(1970, 1, 3), datetime(9000, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 a zone is added
def test_what_was_made_at_a_moment_by_clocks_a_day_apart_is_between_its_bounds(moment: datetime):
    lowest, highest = ids.between(moment, moment)
    for apart in (timedelta(hours=-23), timedelta(0), timedelta(hours=23)):
        assert lowest < ids.first_id_at((moment + apart).timestamp()) < highest


def test_a_bound_that_is_not_named_bounds_nothing():
    assert ids.between(None, None) == (ids.FIRST, ids.LAST)
    assert ids.between(datetime(1969, 1, 1, tzinfo=UTC), None) == (ids.FIRST, ids.LAST)
