"""The delays that TaskRetry and TaskSnooze take. tests/worker/test_control.py runs both by a real worker."""

import math
from typing import Any

import pytest

from app.tasks.definition.control import MAX_DELAY_SECONDS, TaskRetry, TaskSnooze


@pytest.mark.parametrize("after", [0, 0.5, 1, 2.5, MAX_DELAY_SECONDS])
def test_a_delay_is_seconds(after: float) -> None:
    assert TaskRetry(after=after).after == after
    if after >= 1:
        assert TaskSnooze(after=after).after == after


def test_a_retry_without_a_delay_leaves_it_to_the_task_type() -> None:
    assert TaskRetry().after is None
    assert str(TaskRetry("the quota is used up", after=3)) == "the quota is used up"


@pytest.mark.parametrize("after", [-1, -0.001, MAX_DELAY_SECONDS + 1, math.inf, math.nan, True, "5", [5]])
@pytest.mark.parametrize("error", [TaskRetry, TaskSnooze])
def test_anything_else_is_refused_with_what_to_write(error: Any, after: Any) -> None:
    with pytest.raises(ValueError, match=r"^after must be (from|a number of seconds)"):
        error(after=after)


def test_a_snooze_is_a_second_or_longer() -> None:
    for after in (0, 0.999):
        with pytest.raises(ValueError, match="after must be from 1 to"):
            TaskSnooze(after=after)
