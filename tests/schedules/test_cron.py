"""Cron expressions where clocks change. The expected times are written by hand from Debian's rule, not computed."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.schedules import cron

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
SANTIAGO, CASABLANCA = "America/Santiago", "Africa/Casablanca"

# Zone, expression, start (wall clock), then the fires that follow, each with its offset.
TRANSITIONS = [
    # Berlin, 2026-03-29: 02:00 +01 becomes 03:00 +02.
    (BERLIN, "30 2 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
    (BERLIN, "0 2 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    (BERLIN, "59 1 * * *", "2026-03-28T12:00", ["2026-03-29T01:59+01:00", "2026-03-30T01:59+02:00"]),
    (BERLIN, "0 3 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T03:00+02:00"]),
    (BERLIN, "0,20,40 2 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    (BERLIN, "0 2,3 * * *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:00+02:00"]),
    (BERLIN, "15 1-3 * * *", "2026-03-28T12:00", ["2026-03-29T01:15+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:15+02:00"]),
    (BERLIN, "30 2 29 3 *", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2027-03-29T02:30+02:00"]),
    (BERLIN, "30 2 * * SUN", "2026-03-28T12:00", ["2026-03-29T03:00+02:00", "2026-04-05T02:30+02:00"]),
    (BERLIN, "30 2 * * SAT", "2026-03-28T12:00", ["2026-04-04T02:30+02:00"]),
    (BERLIN, "*/30 2 * * *", "2026-03-28T12:00", ["2026-03-30T02:00+02:00", "2026-03-30T02:30+02:00"]),
    (BERLIN, "30 * * * *", "2026-03-29T01:00", ["2026-03-29T01:30+01:00", "2026-03-29T03:30+02:00", "2026-03-29T04:30+02:00"]),
    (BERLIN, "*/30 * * * *", "2026-03-29T01:15", ["2026-03-29T01:30+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:30+02:00"]),
    (BERLIN, "@hourly", "2026-03-29T00:30", ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00", "2026-03-29T04:00+02:00"]),
    (BERLIN, "* * * * *", "2026-03-29T01:58", ["2026-03-29T01:59+01:00", "2026-03-29T03:00+02:00", "2026-03-29T03:01+02:00"]),
    (BERLIN, "@daily", "2026-03-28T12:00", ["2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00"]),
    # Berlin, 2026-10-25: 03:00 +02 becomes 02:00 +01.
    (BERLIN, "30 2 * * *", "2026-10-24T12:00", ["2026-10-25T02:30+02:00", "2026-10-26T02:30+01:00"]),
    (BERLIN, "0 2 * * *", "2026-10-24T12:00", ["2026-10-25T02:00+02:00", "2026-10-26T02:00+01:00"]),
    (BERLIN, "0 3 * * *", "2026-10-24T12:00", ["2026-10-25T03:00+01:00", "2026-10-26T03:00+01:00"]),
    (BERLIN, "0,30 2 * * *", "2026-10-24T12:00", ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-26T02:00+01:00"]),
    (BERLIN, "15 1-3 * * *", "2026-10-24T12:00", ["2026-10-25T01:15+02:00", "2026-10-25T02:15+02:00", "2026-10-25T03:15+01:00"]),
    (BERLIN, "*/30 2 * * *", "2026-10-24T12:00", ["2026-10-25T02:00+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"]),
    (BERLIN, "30 * * * *", "2026-10-25T01:00", ["2026-10-25T01:30+02:00", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00", "2026-10-25T03:30+01:00"]),
    (BERLIN, "@hourly", "2026-10-25T01:30", ["2026-10-25T02:00+02:00", "2026-10-25T02:00+01:00", "2026-10-25T03:00+01:00"]),
    (BERLIN, "@weekly", "2026-10-24T12:00", ["2026-10-25T00:00+02:00", "2026-11-01T00:00+01:00"]),
    (BERLIN, "@monthly", "2026-10-24T12:00", ["2026-11-01T00:00+01:00", "2026-12-01T00:00+01:00"]),
    # New York, 2026-03-08: 02:00 -05 becomes 03:00 -04.
    (NEW_YORK, "0 2 * * *", "2026-03-07T12:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00"]),
    (NEW_YORK, "59 2 * * *", "2026-03-07T12:00", ["2026-03-08T03:00-04:00", "2026-03-09T02:59-04:00"]),
    (NEW_YORK, "30 1 * * *", "2026-03-07T12:00", ["2026-03-08T01:30-05:00", "2026-03-09T01:30-04:00"]),
    (NEW_YORK, "0 9 * * MON-FRI", "2026-03-06T12:00", ["2026-03-09T09:00-04:00", "2026-03-10T09:00-04:00"]),
    (NEW_YORK, "*/20 1-3 * * *", "2026-03-08T01:30", ["2026-03-08T01:40-05:00", "2026-03-08T03:00-04:00", "2026-03-08T03:20-04:00"]),
    (NEW_YORK, "0 */2 * * *", "2026-03-07T23:00", ["2026-03-08T00:00-05:00", "2026-03-08T04:00-04:00"]),
    # New York, 2026-11-01: 02:00 -04 becomes 01:00 -05.
    (NEW_YORK, "30 1 * * *", "2026-10-31T12:00", ["2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00"]),
    (NEW_YORK, "0 1 1 * *", "2026-10-31T12:00", ["2026-11-01T01:00-04:00", "2026-12-01T01:00-05:00"]),
    (NEW_YORK, "0 2 * * *", "2026-10-31T12:00", ["2026-11-01T02:00-05:00", "2026-11-02T02:00-05:00"]),
    (NEW_YORK, "*/30 1 * * *", "2026-10-31T12:00", ["2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00", "2026-11-01T01:00-05:00", "2026-11-01T01:30-05:00"]),
    (NEW_YORK, "45 * * * *", "2026-11-01T00:50", ["2026-11-01T01:45-04:00", "2026-11-01T01:45-05:00", "2026-11-01T02:45-05:00"]),
    # Lord Howe, 2026-10-04: 02:00 +10:30 becomes 02:30 +11.
    (LORD_HOWE, "15 2 * * *", "2026-10-03T12:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00"]),
    (LORD_HOWE, "0,15 2 * * *", "2026-10-03T12:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:00+11:00"]),
    (LORD_HOWE, "30 2 * * *", "2026-10-03T12:00", ["2026-10-04T02:30+11:00", "2026-10-05T02:30+11:00"]),
    (LORD_HOWE, "*/15 2 * * *", "2026-10-03T12:00", ["2026-10-04T02:30+11:00", "2026-10-04T02:45+11:00", "2026-10-05T02:00+11:00"]),
    (LORD_HOWE, "0 * * * *", "2026-10-04T00:30", ["2026-10-04T01:00+10:30", "2026-10-04T03:00+11:00"]),
    (LORD_HOWE, "*/10 * * * *", "2026-10-04T01:45", ["2026-10-04T01:50+10:30", "2026-10-04T02:30+11:00", "2026-10-04T02:40+11:00"]),
    # Lord Howe, 2026-04-05: 02:00 +11 becomes 01:30 +10:30.
    (LORD_HOWE, "45 1 * * *", "2026-04-04T12:00", ["2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30"]),
    (LORD_HOWE, "0 2 * * *", "2026-04-04T12:00", ["2026-04-05T02:00+10:30", "2026-04-06T02:00+10:30"]),
    (LORD_HOWE, "*/15 2 * * *", "2026-04-04T12:00", ["2026-04-05T02:00+10:30", "2026-04-05T02:15+10:30", "2026-04-05T02:30+10:30", "2026-04-05T02:45+10:30"]),
    (LORD_HOWE, "*/15 1 * * *", "2026-04-05T01:20", ["2026-04-05T01:30+11:00", "2026-04-05T01:45+11:00", "2026-04-05T01:30+10:30", "2026-04-05T01:45+10:30"]),
    (LORD_HOWE, "0 * * * *", "2026-04-05T00:30", ["2026-04-05T01:00+11:00", "2026-04-05T02:00+10:30"]),
    # Santiago, 2026-09-06: 00:00 -04 becomes 01:00 -03, so this day has no midnight.
    (SANTIAGO, "0 0 * * *", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"]),
    (SANTIAGO, "@midnight", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"]),
    (SANTIAGO, "30 0 * * *", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-07T00:30-03:00"]),
    (SANTIAGO, "0 0,1 * * *", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-07T00:00-03:00"]),
    (SANTIAGO, "0 0 6 9 *", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2027-09-06T00:00-03:00"]),
    (SANTIAGO, "*/30 0 * * *", "2026-09-05T12:00", ["2026-09-07T00:00-03:00", "2026-09-07T00:30-03:00"]),
    (SANTIAGO, "*/30 0-1 * * *", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-06T01:30-03:00", "2026-09-07T00:00-03:00"]),
    (SANTIAGO, "0 * * * *", "2026-09-05T22:30", ["2026-09-05T23:00-04:00", "2026-09-06T01:00-03:00"]),
    (SANTIAGO, "* * 6 9 *", "2026-09-05T12:00", ["2026-09-06T01:00-03:00", "2026-09-06T01:01-03:00"]),
    # Santiago, 2026-04-05: 00:00 -03 becomes 23:00 -04 of the day before.
    (SANTIAGO, "30 23 * * *", "2026-04-04T12:00", ["2026-04-04T23:30-03:00", "2026-04-05T23:30-04:00"]),
    (SANTIAGO, "0 0 * * *", "2026-04-04T12:00", ["2026-04-05T00:00-04:00", "2026-04-06T00:00-04:00"]),
    (SANTIAGO, "*/30 23 * * *", "2026-04-04T12:00", ["2026-04-04T23:00-03:00", "2026-04-04T23:30-03:00", "2026-04-04T23:00-04:00", "2026-04-04T23:30-04:00"]),
    (SANTIAGO, "0 * * * *", "2026-04-04T22:30", ["2026-04-04T23:00-03:00", "2026-04-04T23:00-04:00", "2026-04-05T00:00-04:00"]),
    # Casablanca, 2026: Ramadan turns +01 into +00 on 02-15 (03:00 becomes 02:00), and back on 03-22 (02:00 becomes 03:00).
    (CASABLANCA, "30 2 * * *", "2026-02-14T12:00", ["2026-02-15T02:30+01:00", "2026-02-16T02:30+00:00"]),
    (CASABLANCA, "0 3 * * *", "2026-02-14T12:00", ["2026-02-15T03:00+00:00", "2026-02-16T03:00+00:00"]),
    (CASABLANCA, "30 * * * *", "2026-02-15T02:00", ["2026-02-15T02:30+01:00", "2026-02-15T02:30+00:00", "2026-02-15T03:30+00:00"]),
    (CASABLANCA, "30 2 * * *", "2026-03-21T12:00", ["2026-03-22T03:00+01:00", "2026-03-23T02:30+01:00"]),
    (CASABLANCA, "*/30 2 * * *", "2026-03-21T12:00", ["2026-03-23T02:00+01:00"]),
    (CASABLANCA, "*/30 * * * *", "2026-03-22T01:15", ["2026-03-22T01:30+00:00", "2026-03-22T03:00+01:00"]),
    # Leap days, and days that few months have.
    ("UTC", "0 0 29 2 *", "2026-01-01T00:00", ["2028-02-29T00:00+00:00", "2032-02-29T00:00+00:00"]),
    (BERLIN, "30 2 29 2 *", "2026-01-01T00:00", ["2028-02-29T02:30+01:00"]),
    (BERLIN, "0 0 L 2 *", "2027-01-01T00:00", ["2027-02-28T00:00+01:00", "2028-02-29T00:00+01:00"]),
    ("UTC", "0 12 31 * *", "2026-03-31T12:00", ["2026-05-31T12:00+00:00", "2026-07-31T12:00+00:00"]),
    ("UTC", "@yearly", "2026-01-01T00:00", ["2027-01-01T00:00+00:00"]),
    ("UTC", "0 0 13 * FRI", "2026-02-12T00:00", ["2026-02-13T00:00+00:00", "2026-02-20T00:00+00:00"]),
]  # fmt: skip


def _wall(zone: str, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(("zone", "expression", "start", "expected"), TRANSITIONS)
def test_an_expression_fires_at_the_times_of_the_rule(zone: str, expression: str, start: str, expected: list[str]):
    moment, found = _wall(zone, start), []
    for _ in expected:
        following = cron.next_after(expression, zone, moment)
        assert following is not None
        moment = following
        found.append(moment.astimezone(ZoneInfo(zone)).isoformat(timespec="minutes"))
    assert found == expected


def test_the_table_has_at_least_sixty_transitions():
    assert len(TRANSITIONS) >= 60
    assert {zone for zone, *_ in TRANSITIONS} >= {BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, CASABLANCA}


def test_a_start_within_the_second_before_a_change_knows_the_new_offset():
    start = _wall(BERLIN, "2026-03-29T01:59:59.5")
    assert cron.next_after("* * * * *", BERLIN, start) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)
    assert cron.next_after("0 2 * * *", BERLIN, start) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("* * *", "needs five fields"),
        ("* * * * * *", "needs five fields"),
        ("", "needs five fields"),
        ("@reboot", "unknown name"),
        ("60 * * * *", "invalid minute"),
        ("* 24 * * *", "invalid hour"),
        ("* * 0 * *", "invalid day-of-month"),
        ("* * * 13 *", "invalid month"),
        ("* * * * 8", "invalid day-of-week"),
        ("*/0 * * * *", "invalid minute"),
        ("0\x1f3 * * *", "invalid character"),
        ("0 3 * *\u2003*", "invalid character"),
        ("0 0 30 2 *", "invalid day-of-month"),
        ("0 0 31 4,6 *", "invalid day-of-month"),
    ],
)
def test_an_invalid_expression_says_what_is_wrong(expression: str, fault: str):
    assert fault in str(cron.fault(expression))


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("0 9 * * mon-fri", "At 09:00 on Monday through Friday"),
        ("@Daily", "At 00:00 every day"),
        ("*/5 * * * *", "Every fifth minute of every hour"),
    ],
)
def test_a_valid_expression_is_described_in_english(expression: str, text: str):
    assert cron.fault(expression) is None
    assert cron.describe(expression) == text


_MINUTES = st.sampled_from(["*", "*/7", "0", "30", "15,45", "0-20"])
_HOURS = st.sampled_from(["*", "*/3", "0", "1", "2", "3", "23", "0-4"])
_DAYS = st.sampled_from(["*", "1", "29", "5,25", "L"])
_WEEKDAYS = st.sampled_from(["*", "SUN", "MON-FRI", "6"])
_EXPRESSIONS = st.tuples(_MINUTES, _HOURS, _DAYS, st.just("*"), _WEEKDAYS).map(" ".join)
_ZONES = st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, SANTIAGO, CASABLANCA, "UTC", "Pacific/Apia"])
_STARTS = st.integers(0, 19 * 366 * 86_400).map(
    lambda seconds: datetime(2011, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
)


@given(_EXPRESSIONS, _ZONES, _STARTS)
def test_fires_are_strictly_increasing_and_each_is_a_real_moment_of_its_expression(
    expression: str, zone: str, start: datetime
):
    moment, minute, hour = start, *expression.split()[:2]
    goes_by_time = minute.startswith("*") or hour.startswith("*")
    for _ in range(20):
        following = cron.next_after(expression, zone, moment)
        assert following is not None
        assert following > moment
        wall = following.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        if goes_by_time:
            # A moment of a wall clock always exists, and cronsim agrees that this one matches.
            assert next(cron._wall_times(expression, wall - timedelta(seconds=1))) == wall
        moment = following


@given(_EXPRESSIONS, _ZONES, _STARTS)
def test_no_time_between_two_fires_was_left_out(expression: str, zone: str, start: datetime):
    following = cron.next_after(expression, zone, start)
    assert following is not None
    # The same fire follows from any moment between, so nothing depends on where one begins to count.
    middle = start + (following - start) / 2
    assert cron.next_after(expression, zone, middle) == following
    assert cron.next_after(expression, zone, following - timedelta(seconds=1)) == following
