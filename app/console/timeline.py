"""Lay out the attempts of a task over time, for a chart that the template draws (pure)."""

from datetime import UTC, datetime
from typing import Final, NamedTuple

from app.tasks.schemas import TaskAndAttempts

_MIN_WIDTH: Final = 0.6
"""In percent: a shorter bar could not be seen."""


class TimelineBar(NamedTuple):
    """One bar: what it shows, where it begins and how wide it is, in percent of the whole time."""

    name: str
    kind: str
    """``waiting``, or the status of an attempt."""
    begins: float
    width: float
    seconds: float
    is_open: bool
    """It has not ended."""


def of(task: TaskAndAttempts, now: datetime | None = None) -> list[TimelineBar]:
    """Return the waits and attempts of a task in their order."""
    moment = now or datetime.now(UTC)
    end = task.finished_at or moment
    # A task that was created just now must not divide by zero.
    total = max((end - task.created_at).total_seconds(), 0.001)
    spans: list[TimelineBar] = []

    def add(name: str, kind: str, start: datetime, until: datetime | None) -> None:
        seconds = max(0.0, ((until or moment) - start).total_seconds())
        begins = min(100 - _MIN_WIDTH, max(0.0, 100 * (start - task.created_at).total_seconds() / total))
        width = max(_MIN_WIDTH, min(100 - begins, 100 * seconds / total))
        spans.append(TimelineBar(name, kind, round(begins, 2), round(width, 2), seconds, until is None))

    reached = task.created_at
    for attempt in task.attempts:
        add("Waited", "waiting", reached, attempt.started_at)
        add(f"Attempt {attempt.attempt}", attempt.status, attempt.started_at, attempt.finished_at)
        reached = attempt.finished_at or moment
    if task.finished_at is None and all(attempt.finished_at for attempt in task.attempts):
        add("Waits", "waiting", reached, None)
    elif not task.attempts:
        add("Waited", "waiting", reached, task.finished_at)
    return spans
