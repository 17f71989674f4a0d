"""The whole stack, with real processes: up, up again, a killed part, down."""

import html
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from scripts.stack import http_client, parts, ports, processes
from tests import log_scan

pytestmark = pytest.mark.skipif(not (parts.ROOT / "app" / "main.py").exists(), reason="there is no API to start")


def command(module: str, data_dir: Path, *arguments: str) -> str:
    """Run ``up`` or ``down`` with the interpreter that runs the tests."""
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    # tests/browser/test_guide.py builds the guide, once.
    environment |= {"PYTHONPATH": str(parts.ROOT), "GUIDE": "off"}
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
    said = command("scripts.stack.launcher", data_dir, "--detach", "--no-demo", "--module", "no_such_module")
    assert "Ignored: TASK_MODULES=no_such_module. The stack runs already, without TASK_MODULES." in said
    assert "scripts/down, and this command again" in said
    after = up(data_dir)
    # A link works once, so each command makes other ones.
    for link in ("console_url", "operator_url"):
        assert after.pop(link) != before.pop(link)
    assert after == before


@pytest.mark.parametrize("part", ["api", "dispatcher", "worker", "operator", "redis", "postgres"])
def test_up_starts_a_killed_part_again_and_no_other(data_dir: Path, part: str) -> None:
    before = up(data_dir)
    os.kill(before["pids"][part], signal.SIGKILL)
    assert processes.wait_until(lambda: processes.start_time(before["pids"][part]) is None, 10)
    after = up(data_dir)
    changed = {name for name, pid in after["pids"].items() if pid != before["pids"][name]}
    assert changed == {part}
    assert after["api_url"] == before["api_url"]
    assert after["demo"] == before["demo"]


def test_the_operators_pages_are_signed_in_by_their_link_and_run_only_where_they_are_wanted(data_dir: Path) -> None:
    stack = up(data_dir)
    page = httpx.get(stack["operator_url"], trust_env=False)
    assert (page.status_code, "Open the operator's pages" in html.unescape(page.text)) == (200, True)
    assert stack["operator_url"].startswith(f"{stack['operator_address']}/link/")
    made = json.loads(command("app.admin", data_dir, "console-link", "--operator", "--json").splitlines()[-1])
    assert made["url"].startswith(f"{stack['operator_address']}/link/")
    without = up(data_dir, "--no-operator")
    assert (without["operator_url"], without["operator_address"], without["pids"]["operator"]) == (None, None, None)
    assert processes.wait_until(lambda: processes.start_time(stack["pids"]["operator"]) is None, 10)
    assert without["pids"]["api"] == stack["pids"]["api"]
    assert up(data_dir)["operator_url"]


def test_no_process_but_the_operators_is_given_what_opens_the_database_as_tq_admin(data_dir: Path) -> None:
    stack = up(data_dir)
    owner = urlsplit(stack["database_url"]).password
    admin = json.loads((data_dir / "secrets.admin.json").read_text())["role_passwords"]["tq_admin"]
    assert admin not in (data_dir / "secrets.json").read_text()
    for part, process in stack["processes"].items():
        given = Path(f"/proc/{process['pid']}/environ").read_text()
        assert owner and owner not in given, part
        assert admin not in given and "ADMIN_SECRETS_FILE" not in given, part


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
    # The port is the same after it, so that an exported URL goes on to work.
    assert up(data_dir)["api_url"] == stack["api_url"]
