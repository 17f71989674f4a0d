"""The attempts of a task over time."""

from datetime import UTC, datetime, timedelta
from typing import Any

from app.console import timeline
from app.tasks.schemas import Attempt, TaskAndAttempts

START = datetime(2026, 11, 30, tzinfo=UTC)


def _at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def _task(*attempts: tuple[str, float, float | None], finished: float | None = None) -> TaskAndAttempts:
    listed: list[dict[str, Any]] = [
        {
            "attempt": number,
            "status": status,
            "error": None,
            "started_at": _at(start),
            "finished_at": None if end is None else _at(end),
        }
        for number, (status, start, end) in enumerate(attempts, 1)
    ]
    return TaskAndAttempts.model_construct(
        created_at=START, finished_at=None if finished is None else _at(finished),
        attempts=[Attempt.model_validate(each) for each in listed],
    )  # fmt: skip


def _spans(task: TaskAndAttempts, now: float) -> list[tuple[str, str, float, float]]:
    return [(span.name, span.kind, span.begins, span.width) for span in timeline.of(task, _at(now))]


def test_a_task_that_succeeded_at_its_second_attempt():
    task = _task(("FAILURE", 20, 40), ("SUCCESS", 60, 100), finished=100)
    assert _spans(task, 500) == [
        ("Waited", "waiting", 0, 20), ("Attempt 1", "FAILURE", 20, 20),
        ("Waited", "waiting", 40, 20), ("Attempt 2", "SUCCESS", 60, 40),
    ]  # fmt: skip


def test_what_has_not_ended_is_open_and_reaches_to_now():
    assert _spans(_task(), 10) == [("Waits", "waiting", 0, 100)]
    spans = timeline.of(_task(("STARTED", 5, None)), _at(10))
    assert [(span.name, span.begins, span.is_open) for span in spans] == [("Waited", 0, False), ("Attempt 1", 50, True)]


def test_a_task_that_never_ran():
    assert _spans(_task(finished=10), 99) == [("Waited", "waiting", 0, 100)]


def test_a_short_attempt_can_be_seen_and_stays_inside():
    for span in timeline.of(_task(("SUCCESS", 1000, 1000), finished=1000), _at(2000)):
        assert span.width > 0 and span.begins + span.width <= 100.01
