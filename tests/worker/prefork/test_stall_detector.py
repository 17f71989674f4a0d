"""A child whose own loop stands still is to be killed; a child that runs code, or was stopped with everybody, is not."""

from dataclasses import replace

from app.worker.prefork.shared_attempts import Child, SharedAttempts
from app.worker.prefork.stall_detector import StallDetector, is_responsive
from app.worker.runtime import MAX_STALL_SECONDS


class _Rows(SharedAttempts):
    """Shared attempts in which a test says when the loop of each child has run."""

    def __init__(self, *rows: Child) -> None:
        self.rows = list(rows)

    def children(self) -> list[Child]:
        return self.rows


_CHILD = Child(pid=7, alive_at=100.0, ends_at=0.0)


def _look_until(stillness: StallDetector, begin: float, end: float) -> list[Child]:
    found: list[Child] = []
    while begin <= end:
        found += stillness.look(begin)
        begin += 0.25
    return found


def test_a_loop_that_stands_still_is_found_after_ten_seconds():
    stillness = StallDetector(_Rows(_CHILD))
    assert _look_until(stillness, 100.0, 100.0 + MAX_STALL_SECONDS) == []
    assert stillness.look(100.1 + MAX_STALL_SECONDS) == [_CHILD]


def test_while_code_runs_its_own_time_decides():
    running = replace(_CHILD, ends_at=500.0)
    assert _look_until(StallDetector(_Rows(running)), 100.0, 499.0) == []
    assert not is_responsive(running, 501.0)


def test_who_was_stopped_himself_begins_again():
    rows = _Rows(_CHILD)
    stillness = StallDetector(rows)
    assert _look_until(stillness, 100.0, 105.0) == []
    # A laptop that slept: everybody's stamps are old.
    assert _look_until(stillness, 1_000.0, 1_009.0) == []
    rows.rows = [replace(_CHILD, alive_at=1_009.0)]
    assert _look_until(stillness, 1_009.25, 1_015.0) == []


def test_a_child_whose_loop_runs_is_left_alone():
    rows = _Rows(_CHILD)
    stillness = StallDetector(rows)
    for second in range(100, 200):
        rows.rows = [replace(_CHILD, alive_at=float(second))]
        assert _look_until(stillness, float(second), second + 0.75) == []
