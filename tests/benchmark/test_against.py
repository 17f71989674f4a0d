"""The comparison of two checkouts: its long form compares this one with itself, by tiny loads."""

import subprocess
from pathlib import Path

import pytest

from scripts.benchmark import against
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.target import Target
from scripts.stack import parts


@pytest.mark.long
@pytest.mark.timeout(600)
def test_each_load_is_compared_and_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    sizes = against.Sizes(seconds=0.2, tasks=50, lone_tasks=5, settle_seconds=0.2)
    rows = against.compare(parts.ROOT, 1, sizes).splitlines()
    assert [line.split(" | ")[0].lstrip("| ") for line in rows[3:]] == [
        "end to end, prefork",
        "a lone task, prefork",
        "end to end, asyncio",
        "a lone task, asyncio",
        "submit, connections: 1",
        "submit, connections: 16",
        "submit, connections: 64",
        "a task of a batch of 100",
    ]
    assert all(float(line.split(" | ")[3]) > 0 for line in rows[3:])
    assert list(tmp_path.iterdir()) == []


def test_the_ratio_is_the_median_of_the_turns_ratios() -> None:
    # The machine was twice as slow in the second turn, and something else took time in the third.
    other = _side([{"api": 1.0, "postgres": 1.0}, {"api": 2.0, "postgres": 2.0}, {"api": 1.0, "postgres": 1.0}])
    ours = _side([{"api": 1.0, "postgres": 0.5}, {"api": 2.0, "postgres": 1.0}, {"api": 9.0, "postgres": 0.5}])
    (line,) = against.table(other, ours, 3)[3:]
    assert line == "| submit | 2.00 | 3.00 | 0.750 | 0.75-4.75 | api 1.00 → 2.00, postgres 1.00 → 0.5 |"


def _side(turns: list[dict[str, float]]) -> against.Side:
    with subprocess.Popen(["true"]) as ended:
        return against.Side(ended, Target(0, "/"), {}, {"submit": turns})


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match="is no checkout"):
        against.compare(tmp_path, 1)
