"""Time limits that SQL functions repeat have the values of app/tasks/run/timing.py."""

import re

from app.tasks.run import timing
from tests.conftest import ROOT


def _found(function: str, pattern: str) -> list[float]:
    text = (ROOT / "migrations" / "functions" / f"{function}.sql").read_text()
    return [float(number) for number in re.findall(pattern, text)]


def test_a_deadline_is_the_hard_limit_and_the_grace():
    assert _found("tasks_claim", r"k\.time_limit_seconds \+ (\d+)\)") == [timing.DEADLINE_GRACE]


def test_a_worker_without_a_heartbeat_is_dead_after_the_same_time_everywhere():
    found = _found("task_statuses", r"heartbeat_at > now\(\) - interval '(\d+) seconds'")
    assert found == [timing.WORKER_DEAD_AFTER]
