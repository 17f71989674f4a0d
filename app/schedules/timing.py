"""Compute when a schedule fires: its cron expression or interval, its window, its start and its end (pure)."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING, Any
from uuid import UUID

from app.schedules import cron

if TYPE_CHECKING:
    import asyncpg


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The times of a schedule."""

    cron: str | None
    every_seconds: int | None
    timezone: str
    anchor: datetime
    """The intervals of ``every_seconds`` are counted from here."""
    shift: timedelta = timedelta()
    """The time by which each fire is later than the expression says (``shift_of``)."""
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def next_after(self, moment: datetime) -> datetime | None:
        """Return the first fire after ``moment`` in UTC, with its shift; None if there is none."""
        fires = self._next(moment)
        while fires is not None and self.starts_at is not None and fires < self.starts_at:
            # Two seconds before the start, so that a fire at the start itself is found.
            fires = self._next(max(fires, self.starts_at - timedelta(seconds=2)))
        if fires is None or (self.ends_at is not None and fires > self.ends_at):
            return None
        return fires

    def from_now_on(self, moment: datetime) -> Iterator[datetime]:
        """Yield the fires after ``moment``."""
        fires = self.next_after(moment)
        while fires is not None:
            yield fires
            fires = self.next_after(fires)

    def between(self, first: datetime, last: datetime) -> Iterator[datetime]:
        """Yield the fires from ``first`` to ``last``, both included."""
        return takewhile(lambda fires: fires <= last, self.from_now_on(first - timedelta(microseconds=1)))

    def _next(self, moment: datetime) -> datetime | None:
        try:
            unshifted = self._next_unshifted(moment - self.shift)
            return None if unshifted is None else unshifted + self.shift
        except OverflowError:
            return None

    def _next_unshifted(self, moment: datetime) -> datetime | None:
        if self.cron is not None:
            return cron.next_after(self.cron, self.timezone, moment)
        assert self.every_seconds is not None  # noqa: S101 a schedule has one of the two
        anchor, step = _whole(self.anchor), timedelta(seconds=self.every_seconds)
        # From the anchor on, and the anchor itself is a fire.
        return anchor + max(0, (moment - anchor) // step + 1) * step

    def describe(self) -> str:
        """Return in English when it fires."""
        if self.cron is not None:
            return f"{cron.describe(self.cron)} ({self.timezone})"
        return f"Every {self.every_seconds} seconds"


def shift_of(schedule_id: UUID, window_seconds: int) -> timedelta:
    """Return the part of a window by which every fire of a schedule is later; it depends on the id alone."""
    if not window_seconds:
        return timedelta()
    # A hash and no random number: the same schedule keeps its shift, and every process computes the same one.
    digest = hashlib.sha256(schedule_id.bytes).digest()
    return timedelta(seconds=int.from_bytes(digest[:8], "big") % (window_seconds + 1))


def _whole(moment: datetime) -> datetime:
    """Return the moment, or the next full second: the first fire must not be before its start."""
    return (moment.astimezone(UTC) + timedelta(microseconds=999_999)).replace(microsecond=0)


def timing_of(facts: "Mapping[str, Any] | asyncpg.Record", schedule_id: UUID, created_at: datetime) -> Timing:
    """Return the times of a schedule; ``facts`` are its columns."""
    return Timing(
        cron=facts["cron"],
        every_seconds=facts["every_seconds"],
        timezone=facts["timezone"],
        anchor=facts["starts_at"] or created_at,
        shift=shift_of(schedule_id, facts["window_seconds"]),
        starts_at=facts["starts_at"],
        ends_at=facts["ends_at"],
    )
