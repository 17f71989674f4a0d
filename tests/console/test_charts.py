"""Bars of days."""

from datetime import date

from app.console import charts
from app.quotas.schemas import DayUsage


def _used(day: int, tasks: int, task: str = "a") -> DayUsage:
    return DayUsage(task=task, tasks=tasks, attempts=0, worker_seconds=0, day=date(2026, 11, day))


def test_there_is_a_bar_for_each_day_and_the_highest_is_full():
    bars = charts.days([_used(30, 5), _used(30, 5, "b"), _used(28, 5), _used(1, 99)], date(2026, 11, 30), 3)
    assert [(bar.day.day, bar.tasks, bar.height) for bar in bars] == [(28, 5, 50), (29, 0, 0), (30, 10, 100)]
    assert [bar.height for bar in charts.days([], date(2026, 11, 30), 2)] == [0, 0]
