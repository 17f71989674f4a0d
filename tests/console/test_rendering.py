"""How numbers, times and durations are written."""

import re
from datetime import UTC, datetime

import pytest

from app.console import rendering
from app.core.origins import PROTECTED, URL_REST


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "\N{EN DASH}"), (-1, "0 ms"), (0.34, "340 ms"), (12.34, "12.3 s"), (245, "4 min 05 s"), (12_000, "3 h 20 min"),
        (200_000, "2 d 7 h"),
    ],
)  # fmt: skip
def test_a_duration_is_written_as_people_read_it(seconds: float | None, text: str):
    assert rendering.duration(seconds) == text


def test_numbers_and_times_are_exact():
    assert rendering.count(12_345_678).split("\N{NARROW NO-BREAK SPACE}") == ["12", "345", "678"]
    assert rendering.count(None) == "\N{EN DASH}"
    assert rendering.moment(datetime(2026, 11, 30, 1, 2, 3, 4_567, UTC)) == "2026-11-30T01:02:03.004Z"
    assert [rendering.percent(*pair) for pair in ((1, 3), (5, 0), (9, 3), (1, None))] == [33.3, 0, 100, 0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://app.example.com/reports?of=ann#now", "app.example.com"),
        ("http://localhost:3000", "localhost:3000"),
        ("https://a.example.com?next=/b", "a.example.com"),
        ("https://[::1]:8443/x", "[::1]:8443"),
        # The pattern of return_url takes it, although it is no address.
        ("https://[::1::]/x", "[::1::]"),
    ],
)
def test_the_host_of_every_return_url_can_be_shown(url: str, host: str):
    assert re.fullmatch(PROTECTED + URL_REST, url)
    assert rendering.host(url) == host
