"""Compute charts that templates draw as SVG (pure)."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

from app.quotas.schemas import DayUsage
from app.stats.schemas import StatsPoint


class Bar(NamedTuple):
    """One bar: its day, its value, and its height as a part of 100."""

    day: date
    tasks: int
    height: float


def days(rows: Sequence[DayUsage], today: date, number: int) -> list[Bar]:
    """Return a bar for each of the last days, today last. Days without tasks have a bar of no height."""
    totals: dict[date, int] = {}
    for row in rows:
        totals[row.day] = totals.get(row.day, 0) + row.tasks
    wanted = [today - timedelta(days=back) for back in reversed(range(number))]
    highest = max((totals.get(day, 0) for day in wanted), default=0)
    return [
        Bar(day, totals.get(day, 0), round(100 * totals.get(day, 0) / highest, 1) if highest else 0) for day in wanted
    ]


class HourOfEnds(NamedTuple):
    """The ends of one hour: how many, and the heights of the parts of 100."""

    point: StatsPoint
    succeeded: float
    failed: float
    revoked: float


def columns(points: Sequence[StatsPoint]) -> list[HourOfEnds]:
    """Return a stacked column for each point. The highest one is full."""
    highest = max((point.succeeded + point.failed + point.revoked for point in points), default=0)
    scale = 100 / highest if highest else 0
    return [
        HourOfEnds(
            point, round(point.succeeded * scale, 2), round(point.failed * scale, 2), round(point.revoked * scale, 2)
        )
        for point in points
    ]
