"""The whole stack, with real processes: up, up again, a killed part, down."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.stack import http_client, parts, ports, processes
from tests import log_scan

pytestmark = pytest.mark.skipif(not (parts.ROOT / "app" / "main.py").exists(), reason="there is no API to start")


def command(module: str, data_dir: Path, *arguments: str) -> str:
    """Run ``up`` or ``down`` with the interpreter that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment["PYTHONPATH"] = str(parts.ROOT)
    line = [sys.executable, "-P", "-m", *module.split(), *arguments, "--data-dir", str(data_dir)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def up(data_dir: Path, *arguments: str) -> dict[str, Any]:
    """Start what is missing; returns ``stack.json``."""
    command("scripts.stack.launcher", data_dir, "--detach", "--no-demo", *arguments)
    stack: dict[str, Any] = json.loads((data_dir / "stack.json").read_text())
    return stack


def down(data_dir: Path) -> str:
    """Stop all of it."""
    return command("scripts.stack down", data_dir)


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    """Yield a data folder with a running stack."""
    with log_scan.scratch_folder() as scratch:
        folder = scratch / "data"
        try:
            up(folder, "--port", str(ports.free_port()))
            yield folder
        finally:
            down(folder)


def test_it_is_ready_and_the_demo_key_works(data_dir: Path) -> None:
    stack = up(data_dir)
    status, _ = http_client.call(f"{stack['api_url']}/readyz")
    assert status == 200
    status, _ = http_client.call(f"{stack['api_url']}/api/tasks", key=stack["demo"]["api_key"])
    assert status == 200


def test_the_description_is_readable_by_its_owner_alone(data_dir: Path) -> None:
    up(data_dir)
    assert (data_dir / "stack.json").stat().st_mode & 0o777 == 0o600


def test_the_logs_are_readable_by_their_owner_alone(data_dir: Path) -> None:
    logs = data_dir / "logs"
    # As an earlier version left them; the next command makes them private again.
    logs.chmod(0o755)
    (logs / "api.log").chmod(0o644)
    up(data_dir)
    down(data_dir)
    up(data_dir)
    assert logs.stat().st_mode & 0o777 == 0o700
    modes = {log.name: log.stat().st_mode & 0o777 for log in logs.iterdir()}
    assert {"api.log", "dispatcher.log", "postgres.log", "valkey.log", "worker1.log"} <= modes.keys()
    assert set(modes.values()) == {0o600}


def test_a_second_up_starts_nothing_and_says_that_new_settings_are_not_seen(data_dir: Path) -> None:
    before = up(data_dir)
    said = command("scripts.stack.launcher", data_dir, "--detach", "--no-demo")
    assert "TASK_MODULES: scripts/down first" in said
    assert up(data_dir) == before


@pytest.mark.parametrize("part", ["api", "dispatcher", "worker", "redis", "postgres"])
def test_up_starts_a_killed_part_again_and_no_other(data_dir: Path, part: str) -> None:
    before = up(data_dir)
    os.kill(before["pids"][part], signal.SIGKILL)
    assert processes.wait_until(lambda: processes.start_time(before["pids"][part]) is None, 10)
    after = up(data_dir)
    changed = {name for name, pid in after["pids"].items() if pid != before["pids"][name]}
    assert changed == {part}
    assert after["api_url"] == before["api_url"]
    assert after["demo"] == before["demo"]


def test_another_port_is_refused_while_the_api_runs(data_dir: Path) -> None:
    up(data_dir)
    with pytest.raises(AssertionError, match="scripts/down first"):
        up(data_dir, "--port", str(ports.free_port()))


def test_down_leaves_no_process(data_dir: Path) -> None:
    stack = up(data_dir)
    down(data_dir)
    assert processes.marked(data_dir) == []
    assert all(processes.start_time(pid) is None for pid in stack["pids"].values() if pid)
    assert "Stopped" in down(data_dir)
