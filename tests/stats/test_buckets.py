"""Which buckets an answer has, as pure functions."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.errors import InvalidRequest
from app.stats import buckets
from app.stats.buckets import MAX_POINTS, Bucket

NOW = datetime(2026, 11, 30, 16, 34, 12, 345, tzinfo=UTC)
BUCKETS = st.sampled_from(list(Bucket))


@given(BUCKETS, st.integers(1, 10**9), st.integers(1, 10**9))
def test_buckets_cover_the_time_and_no_whole_bucket_more(bucket: Bucket, back: int, length: int):
    first = NOW - timedelta(milliseconds=back * 3)
    last = min(first + timedelta(milliseconds=length), NOW)
    assume(first >= NOW - bucket.kept and (last - first) / bucket.length < MAX_POINTS - 2)
    found = buckets.span(bucket, first, last, NOW)
    starts = found.starts
    assert starts[0] <= first < starts[0] + bucket.length
    assert starts[-1] < last <= found.ends_at == starts[-1] + bucket.length
    assert all(after - before == bucket.length for before, after in pairwise(starts))
    assert len(starts) == found.count


@given(
    BUCKETS, st.datetimes(NOW.replace(tzinfo=None, year=2020), NOW.replace(tzinfo=None)), st.integers(-14 * 4, 14 * 4)
)
def test_a_bucket_begins_in_utc_whatever_the_zone_of_the_time(bucket: Bucket, naive: datetime, quarters: int):
    moment = naive.replace(tzinfo=UTC)
    elsewhere = moment.astimezone(timezone(timedelta(minutes=15 * quarters)))
    start = bucket.start(elsewhere)
    assert start == bucket.start(moment) <= moment < start + bucket.length
    assert (start.utcoffset(), start.second) == (timedelta(0), 0)
    assert bucket is not Bucket.DAY or (start.hour, start.minute) == (0, 0)
    assert bucket is Bucket.MINUTE or start.minute == 0


@pytest.mark.parametrize(("bucket", "count"), [(Bucket.MINUTE, 61), (Bucket.HOUR, 25), (Bucket.DAY, 31)])
def test_without_a_time_the_latest_are_shown(bucket: Bucket, count: int):
    found = buckets.span(bucket, None, None, NOW)
    assert (found.count, found.starts[-1]) == (count, bucket.start(NOW))


def test_a_later_end_than_now_is_now():
    found = buckets.span(Bucket.HOUR, NOW - timedelta(hours=2), NOW + timedelta(days=400), NOW)
    assert found.ends_at == NOW.replace(hour=17, minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("bucket", Bucket)
def test_all_that_is_kept_can_be_asked_for_in_parts_and_nothing_older(bucket: Bucket):
    oldest = bucket.start(NOW - bucket.kept)
    last = oldest + min(bucket.kept, MAX_POINTS * bucket.length)
    assert buckets.span(bucket, oldest, last, NOW).starts[0] == oldest
    with pytest.raises(InvalidRequest, match="are kept for"):
        buckets.span(bucket, oldest - timedelta(microseconds=1), last, NOW)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        (NOW, NOW),
        (NOW - timedelta(hours=1), NOW - timedelta(hours=2)),
        (NOW + timedelta(hours=1), NOW + timedelta(hours=2)),
        (None, NOW - timedelta(days=3)),
        (None, datetime(1, 1, 1, tzinfo=UTC)),
    ],
    ids=["empty", "backwards", "in the future", "before all that is kept", "at the beginning of the calendar"],
)
def test_a_time_in_which_nothing_can_be_is_refused(first: datetime | None, last: datetime):
    with pytest.raises(InvalidRequest, match="so that from is before to"):
        buckets.span(Bucket.MINUTE, first, last, NOW)


def test_the_number_of_points_is_limited():
    minute = timedelta(minutes=1)
    last = Bucket.MINUTE.start(NOW)
    assert buckets.span(Bucket.MINUTE, last - MAX_POINTS * minute, last, NOW).count == MAX_POINTS
    with pytest.raises(InvalidRequest, match="at most 1500 points, and this one would have 1501"):
        buckets.span(Bucket.MINUTE, last - (MAX_POINTS + 1) * minute, last, NOW)
