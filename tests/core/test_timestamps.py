"""Moments are date-times of RFC 3339, and nothing that could be read in two ways."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from app.core import timestamps


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2027-01-31T09:00:00Z", datetime(2027, 1, 31, 9, tzinfo=UTC)),
        ("2027-01-31t09:00:00z", datetime(2027, 1, 31, 9, tzinfo=UTC)),
        ("2027-01-31T09:00:00.25+05:30", datetime(2027, 1, 31, 9, 0, 0, 250_000, timezone(timedelta(hours=5.5)))),
        ("2027-01-31T09:00:00.1234567-00:00", datetime(2027, 1, 31, 9, 0, 0, 123_456, UTC)),
    ],
)
def test_a_date_time_with_its_offset_is_taken(text: str, moment: datetime) -> None:
    assert timestamps.parse(text) == moment


@pytest.mark.parametrize(
    "given",
    [
        1_806_000_000, 1_806_000_000_000, 1.5, True, "1806000000", "1806000000.5", "-1", "2027-01-31",
        "2027-01-31T09:00:00", "2027-01-31 09:00:00Z", "2027-01-31T09:00Z", "20270131T090000Z", "2027-W05-7T09:00:00Z",
        "2027-02-30T09:00:00Z", "2027-01-31T24:00:00Z", "2027-01-31T09:00:60Z", "2027-01-31T09:00:00+24:00",
        "2027-01-31T09:00:00+0100", "2027-01-31T09:00:00Z ", "٢٠٢٧-01-31T09:00:00Z", "0000-01-31T09:00:00Z", "", None, [],
        datetime(2027, 1, 31, tzinfo=UTC),
    ],
)  # fmt: skip
def test_anything_else_is_refused_without_an_echo(given: Any) -> None:
    with pytest.raises(ValueError, match=r"^Input should be a date-time of RFC 3339"):
        timestamps.parse(given)


@pytest.mark.parametrize(
    "given",
    [
        "0001-01-01T00:00:00Z", "0001-01-02T00:00:00+00:01", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
        "9999-12-31T23:59:59.999999Z",
    ],
)  # fmt: skip
def test_a_moment_that_cannot_be_stored_is_refused(given: str) -> None:
    assert timestamps.parse(given)
    with pytest.raises(ValueError, match=r"^Input should be between"):
        timestamps.parse_storable(given)


@pytest.mark.parametrize("given", ["0001-01-02T00:00:00Z", "9999-12-31T23:59:59Z", "9999-12-31T09:59:59-14:00"])
def test_the_first_and_the_last_moment_are_taken(given: str) -> None:
    assert timestamps.parse_storable(given) == timestamps.parse(given)
