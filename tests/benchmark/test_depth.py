"""The measurement of depth with tiny counts, on real servers."""

from pathlib import Path

import pytest

from scripts.benchmark import depth
from scripts.benchmark.depth import Depth


# Two stacks are started, one after the other.
@pytest.mark.long
@pytest.mark.timeout(300)
def test_both_databases_are_measured_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    report = depth.run(Depth(rows=2_000, pairs=1, tasks=20, requests=30, submit_connections=4, connections=2))
    assert "2,000 ended tasks" in report
    for act in ("end to end", "status of the newest", "status of any age", "submit", "submit while pruning"):
        assert f"\n| {act} | " in report
    assert list(tmp_path.iterdir()) == []
