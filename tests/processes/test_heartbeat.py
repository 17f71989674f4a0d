"""The time since the last round; tests/monitoring/test_process_probe.py stops a process and sees its row grow old."""

import time

import pytest

from app.processes.heartbeat import Rounds


def test_a_round_sets_the_age_back_and_replaces_the_details(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    rounds = Rounds()
    now = 107.0
    assert (rounds.age, rounds.details) == (7.0, {})
    rounds.ended(leads=True)
    assert (rounds.age, rounds.details) == (0.0, {"leads": True})
    rounds.ended()
    assert rounds.details == {}
