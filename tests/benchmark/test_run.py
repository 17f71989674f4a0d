"""The whole harness with tiny counts, on real servers."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.benchmark import names, report, rounds
from scripts.benchmark.plan import Plan
from scripts.stack import parts, processes

TINY = Plan(
    rounds=1,
    contenders=(names.EMPTY, names.OURS, names.NAIVE, names.GATE),
    connections=(4,),
    submit_seconds=0.2,
    warm_seconds=0.1,
    batch_tasks=3,
    batch_connections=2,
    latency_tasks=3,
    end_to_end_tasks=20,
    end_to_end_connections=4,
    idle_seconds=0.2,
    settle_seconds=0.1,
)


def test_a_run_measures_every_app_and_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = rounds.run(TINY)
    assert list(tmp_path.iterdir()) == []
    for app in (rounds.OURS, rounds.NAIVE, rounds.EMPTY):
        assert found.figures(app, "submit.4.rate")[0] > 0
        assert found.figures(app, "submit.4.cpu.api")[0] > 0
    for app in (rounds.OURS, rounds.NAIVE):
        assert found.figures(app, "e2e.count") == [20]
        assert found.figures(app, "memory.idle.postgres")[0] > 1
    assert found.figures(rounds.OURS, "batch.count")[0] % 3 == 0
    assert found.figures(rounds.OURS, "batch.cpu.api")[0] > 0
    assert found.figures(rounds.OURS, "batch.rate")[0] > found.figures(rounds.OURS, "batch.count")[0]
    assert found.figures(rounds.NAIVE, "batch.count") == []
    assert len(found.figures(rounds.GATE, "gate.submit.4.cpu")) == 1
    assert len(found.promises) == 6
    assert "## Targets" in report.write(found)


def test_an_interrupted_run_stops_everything(tmp_path: Path) -> None:
    line = [sys.executable, "-P", "-m", "scripts.benchmark", "--quick"]
    environment = {**os.environ, "PYTHONPATH": str(parts.ROOT), "TMPDIR": str(tmp_path)}
    run = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    assert processes.wait_until(lambda: bool(list(tmp_path.glob("*/logs/api.log"))), 20)
    (folder,) = tmp_path.glob("stack-*")
    assert processes.wait_until(lambda: bool(processes.marked(folder)), 20)
    run.send_signal(signal.SIGINT)
    _, complaint = run.communicate(timeout=30)
    assert run.returncode == 130
    assert "interrupted" in complaint
    assert processes.marked(folder) == []
    assert list(tmp_path.iterdir()) == []
