"""Choose the buckets of an answer: their length, and the first and last of them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from app.core.errors import InvalidRequest

MAX_POINTS: Final = 1_500
"""The most points of one answer."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Bucket(StrEnum):
    """A length of time for which counts are kept together. Days begin at midnight of UTC."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        """Return how long a bucket lasts."""
        return _LENGTHS[self]

    @property
    def kept(self) -> timedelta:
        """Return for how long buckets are kept after their end (migrations/functions: prune_account)."""
        return _KEPT[self]

    @property
    def minutes(self) -> int:
        """Return the length as it is stored."""
        return round(self.length / timedelta(minutes=1))

    def start(self, moment: datetime) -> datetime:
        """Return the start of the bucket that a moment is in."""
        return _EPOCH + (moment - _EPOCH) // self.length * self.length


_LENGTHS: Final = {
    Bucket.MINUTE: timedelta(minutes=1),
    Bucket.HOUR: timedelta(hours=1),
    Bucket.DAY: timedelta(days=1),
}
_KEPT: Final = {
    Bucket.MINUTE: timedelta(hours=48),
    Bucket.HOUR: timedelta(days=35),
    Bucket.DAY: timedelta(days=400),
}
_TOLD: Final = {Bucket.MINUTE: "48 hours", Bucket.HOUR: "35 days", Bucket.DAY: "400 days"}
# What is shown without a beginning.
_USUAL: Final = {
    Bucket.MINUTE: timedelta(hours=1),
    Bucket.HOUR: timedelta(hours=24),
    Bucket.DAY: timedelta(days=30),
}


@dataclass(frozen=True, slots=True)
class Span:
    """Whole buckets that follow each other."""

    bucket: Bucket
    starts_at: datetime
    ends_at: datetime
    """The end of the last bucket, which may lie in the future."""

    @property
    def starts(self) -> list[datetime]:
        """Return the start of each bucket."""
        return [self.starts_at + n * self.bucket.length for n in range(self.count)]

    @property
    def count(self) -> int:
        """Return the number of buckets."""
        return (self.ends_at - self.starts_at) // self.bucket.length


def span(bucket: Bucket, first: datetime | None, last: datetime | None, now: datetime) -> Span:
    """Return the buckets that touch the time from ``first`` to ``last``, which are times of UTC.

    Without ``last`` they end with the current bucket. Without ``first`` they begin an hour (minutes), 24 hours (hours)
    or 30 days (days) before. Raises ``InvalidRequest`` for no time at all, for buckets that are no longer kept, and for
    more than ``MAX_POINTS``.
    """
    oldest = bucket.start(now - bucket.kept)
    last = now if last is None else min(last, now)
    # Not before what is kept: the caller has not asked for it.
    first = max(max(last, oldest) - _USUAL[bucket], oldest) if first is None else first
    if first >= last:
        raise InvalidRequest("Send from and to so that from is before to, and before now.")
    if first < oldest:
        raise InvalidRequest(
            f"Statistics by {bucket} are kept for {_TOLD[bucket]}. Send a later from, or a longer bucket."
        )
    start = bucket.start(first)
    # A time at the end of a bucket belongs to it: the next one would only be touched.
    found = Span(bucket, start, bucket.start(last - timedelta(microseconds=1)) + bucket.length)
    require_few_points(found.count)
    return found


def require_few_points(count: int) -> None:
    """Raise ``InvalidRequest`` if an answer would have too many points."""
    if count > MAX_POINTS:
        raise InvalidRequest(
            f"An answer has at most {MAX_POINTS} points, and this one would have {count}. "
            "Send a longer bucket, a shorter time, or one task type as task."
        )
