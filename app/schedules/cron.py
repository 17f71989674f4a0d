"""Compute the times of cron expressions in a time zone (pure).

When clocks change, the rule is that of Debian's cron:

- An expression that names its minutes and its hours fires once for each wall-clock time. If a time does not exist
  because clocks go forward, it fires right after the gap, and several such times fire once. If a time comes twice
  because clocks go back, it fires the first time.
- An expression whose minute or hour begins with ``*`` goes by elapsed time: it fires at each moment whose wall clock
  matches. So nothing fires in a gap, and times that come twice fire twice.

``cronsim`` parses the expressions and finds wall-clock times. The steps from these to moments are ours: its own lose
times where clocks change by half an hour or at midnight.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

MAX_LENGTH: Final = 200
"""Characters of an expression, at most."""
_FIELDS: Final = 5
_ALIASES: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_SECOND: Final = timedelta(seconds=1)
# No zone changes its clocks twice within a day, so looks this far apart find every change.
_LOOK: Final = timedelta(days=1)


def fault(expression: str) -> str | None:
    """Return why an expression is invalid; None if it is valid."""
    if not expression.replace("\t", " ").isprintable():
        return "has an invalid character"
    fields = _ALIASES.get(expression.lower(), expression)
    if fields.startswith("@"):
        return f"unknown name; use one of {', '.join(_ALIASES)}"
    if len(fields.split()) != _FIELDS:
        return "needs five fields: minute, hour, day of the month, month, day of the week"
    try:
        # Some valid expressions, such as the 31st of February, have no time at all. Only a search shows it.
        next(CronSim(fields, datetime(2024, 1, 1)))  # noqa: DTZ001 wall-clock time
    except CronSimError as error:
        return str(error).replace("Bad ", "has an invalid ")
    except StopIteration:
        return "never fires"
    return None


def describe(expression: str) -> str:
    """Return in English when a valid expression fires, without its time zone."""
    text: str = CronSim(_fields(expression), datetime(2024, 1, 1)).explain()  # noqa: DTZ001 wall-clock time
    return text


@lru_cache(maxsize=8192)
def next_after(expression: str, zone: str, moment: datetime) -> datetime | None:
    """Return the first moment after ``moment`` at which a valid expression fires, in UTC; None if there is none.

    ``zone`` is a name of the time-zone database. The answer is kept, because many schedules share an expression.
    """
    fields, zone_info = _fields(expression), ZoneInfo(zone)
    minute, hour = fields.split()[:2]
    start = moment.astimezone(UTC).replace(microsecond=0)
    try:
        if minute.startswith("*") or hour.startswith("*"):
            return _by_elapsed_time(fields, zone_info, start)
        return _by_wall_clock(fields, zone_info, start)
    except (StopIteration, OverflowError):
        return None


def _fields(expression: str) -> str:
    return _ALIASES.get(expression.lower(), expression)


def _wall_times(fields: str, after: datetime) -> Iterator[datetime]:
    # Without a zone cronsim knows no changes of clocks.
    return CronSim(fields, after)


def _by_wall_clock(fields: str, zone: ZoneInfo, moment: datetime) -> datetime:
    for wall in _wall_times(fields, moment.astimezone(zone).replace(tzinfo=None)):
        fires = _first_moment(wall, zone)
        # A wall-clock time of which this is the second coming has fired already, and so has one of the gap before.
        if fires > moment:
            return fires
    raise StopIteration


def _first_moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the moment of a wall-clock time: the first of two, or the end of the gap in which it would be."""
    first = wall.replace(tzinfo=zone).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # With fold=1 a time of the gap is read by the offset after it, and then it is a moment before the gap.
    return _change_between(zone, wall.replace(tzinfo=zone, fold=1).astimezone(UTC), first)


def _by_elapsed_time(fields: str, zone: ZoneInfo, moment: datetime) -> datetime:
    while True:
        # Within one offset, the wall clock runs as time does. That of the next second counts: clocks may change there.
        offset = _offset(zone, moment + _SECOND)
        wall = next(_wall_times(fields, (moment + offset).replace(tzinfo=None)))
        fires = wall.replace(tzinfo=UTC) - offset
        change = _first_change(zone, moment + _SECOND, fires)
        if change is None:
            return fires
        # Nothing matches before the change. From there on, the wall clock has another offset.
        moment = change - _SECOND


def _first_change(zone: ZoneInfo, after: datetime, until: datetime) -> datetime | None:
    """Return the first moment in ``(after, until]`` at which clocks change."""
    offset = _offset(zone, after)
    while after < until:
        following = min(after + _LOOK, until)
        if _offset(zone, following) != offset:
            return _change_between(zone, after, following)
        after = following
    return None


def _change_between(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """Return the first moment with the later offset, of a change after ``before`` and not after ``after``."""
    offset = _offset(zone, before)
    while after - before > _SECOND:
        middle = before + timedelta(seconds=int((after - before).total_seconds()) // 2)
        if _offset(zone, middle) == offset:
            before = middle
        else:
            after = middle
    return after


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101 a moment in a zone has an offset
    return offset
