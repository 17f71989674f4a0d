"""Commands from a folder whose files have names of Python's own modules: they stand in for none."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack import http_client, installer, parts, ports
from tests import log_scan

NAMES = ["queue", "logging", "calendar", "types", "email", "json", "asyncio", "select"]
TASKS = '''
from pydantic import BaseModel
from app.tasks import TaskContext, task

class Nothing(BaseModel):
    pass

@task("caller.where")
def where(payload: Nothing, context: TaskContext) -> str:
    """Tell where it was found."""
    return __file__
'''


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with task types of one's own, in a place that every process can reach."""
    with log_scan.scratch_folder() as scratch:
        (scratch / "mine").mkdir()
        (scratch / "mine" / "caller_tasks.py").write_text(TASKS)
        yield scratch / "mine"


def _run(folder: Path, command: str, *arguments: str, **more: str) -> str:
    """Run a command of scripts/ as a person does, from the folder."""
    left_out = {"DATABASE_URL", "REDIS_URL", "PYTHONPATH", "TASK_MODULES_FOLDER"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out} | {"GUIDE": "off"}
    done = subprocess.run(
        [parts.ROOT / "scripts" / command, *arguments], cwd=folder, env=environment | more, capture_output=True, text=True,
        check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_command_starts_from_a_folder_with_such_a_file(folder: Path, name: str):
    (folder / f"{name}.py").write_text("raise SystemExit('taken from the folder of the caller')\n")
    assert "tenant" in _run(folder, "admin", "--help")
    # An empty entry means the folder as well.
    assert "--detach" in _run(folder, "up", "--help", PYTHONPATH=f":{folder.parent}::")


def test_the_installer_runs_modules_of_python_whatever_is_in_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch):
    for name in NAMES:
        (folder / f"{name}.py").write_text("raise SystemExit('taken from the folder of the caller')\n")
    monkeypatch.chdir(folder)
    assert installer.runs([sys.executable, "-m", "venv", "--help"])


def test_up_runs_the_task_types_of_such_a_folder(folder: Path):
    for name in NAMES:
        (folder / f"{name}.py").write_text("raise SystemExit('taken from the folder of the caller')\n")
    data = f"--data-dir={folder.parent / 'data'}"
    try:
        port = str(ports.free_port())
        _run(
            folder,
            "up",
            "--detach",
            "--no-demo",
            "--asyncio-workers",
            "1",
            "--port",
            port,
            data,
            TASK_MODULES="caller_tasks",
        )
        stack = json.loads((folder.parent / "data" / "stack.json").read_text())
        call, key = f"{stack['api_url']}/api/tasks", stack["demo"]["api_key"]
        status, made = http_client.call(f"{call}/submit", body={"task": "caller.where"}, key=key)
        assert status == 202, made
        status, ended = http_client.call(f"{call}/{made['task_id']}/result?wait=30", key=key)
        assert (status, ended["result"]) == (200, str(folder / "caller_tasks.py"))
    finally:
        _run(folder, "down", data)
