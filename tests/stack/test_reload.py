"""The development loop: what runs task types is started again after a change of their folder."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.stack import http_client, options, parts, ports, processes, reload, running_settings, task_modules
from scripts.stack.errors import StackError
from scripts.stack.stackfile import Stack
from tests import log_scan

# Names of Python's own modules: such a file beside the task types stands in for none.
BESIDE = ("queue", "types", "email")
TASKS = '''
from pydantic import BaseModel
from app.tasks import TaskContext, task
from helper import ANSWER

class Nothing(BaseModel):
    pass

@task("loop.answer", pool="asyncio")
async def answer(payload: Nothing, context: TaskContext) -> str:
    """Answer."""
    return ANSWER
'''


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with task types, in a place that every process can reach."""
    with log_scan.scratch_folder() as scratch:
        tasks = scratch / "mine"
        tasks.mkdir()
        (tasks / "loop_tasks.py").write_text(TASKS)
        (tasks / "helper.py").write_text('ANSWER = "first"\n')
        for name in BESIDE:
            (tasks / f"{name}.py").write_text("raise SystemExit('taken from the folder of the task types')\n")
        yield tasks


class Loop:
    """scripts/up --reload, as a person runs it in a terminal."""

    def __init__(self, folder: Path) -> None:
        self.output, self.data_dir = folder.parent / "output", folder.parent / "data"
        left_out = {"DATABASE_URL", "REDIS_URL", "TASK_MODULES", "TASK_MODULES_FOLDER"}
        environment = {name: value for name, value in os.environ.items() if name not in left_out}
        line = ["--reload", "--no-demo", "--tasks", folder, "--module", "loop_tasks", "--data-dir", self.data_dir]
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "scripts.stack.launcher", *line, "--port", str(ports.free_port())],
                env=environment | {"PYTHONPATH": str(parts.ROOT)}, stdout=output, stderr=output,
            )  # fmt: skip

    def wait_for(self, text: str, times: int = 1) -> None:
        assert processes.wait_until(
            lambda: self.output.read_text().count(text) >= times or self.process.poll() is not None, 100
        ), self.output.read_text()
        assert self.process.poll() is None, self.output.read_text()

    def answer(self) -> Any:
        stack = json.loads((self.data_dir / "stack.json").read_text())
        call, key = f"{stack['api_url']}/api/tasks", stack["demo"]["api_key"]
        status, made = http_client.call(f"{call}/submit", body={"task": "loop.answer"}, key=key)
        assert status == 202, made
        return http_client.call(f"{call}/{made['task_id']}/result?wait=30", key=key)[1]["result"]


@pytest.fixture
def loop(folder: Path) -> Iterator[Loop]:
    started = Loop(folder)
    try:
        yield started
    finally:
        started.process.send_signal(signal.SIGINT)
        started.process.wait(100)


def test_a_change_is_loaded_and_one_that_cannot_be_leaves_the_old_version_running(folder: Path, loop: Loop):
    loop.wait_for("Watching")
    # Its pool has a worker, although nobody asked for one.
    assert loop.answer() == "first"
    (folder / "helper.py").write_text('ANSWER = "second"\n')
    loop.wait_for("Reloaded after a change of helper.py")
    assert loop.answer() == "second"
    (folder / "helper.py").write_text('ANSWER = "third\n')
    loop.wait_for("the old version goes on: TASK_MODULES cannot be loaded (SyntaxError")
    assert loop.answer() == "second"
    (folder / "helper.py").write_text('ANSWER = "fourth"\n')
    loop.wait_for("Reloaded after a change of helper.py", times=2)
    assert loop.answer() == "fourth"


def test_a_stack_with_other_task_types_is_not_watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    me = processes.Process(os.getpid(), processes.start_time(os.getpid()) or "")
    runs = Stack(tmp_path, processes={"api": me}, settings={"TASK_MODULES": "old", "TASK_MODULES_FOLDER": "/srv"})
    monkeypatch.setattr(os, "environ", {"TASK_MODULES": "new", "TASK_MODULES_FOLDER": "/srv", "LOG_LEVEL": "DEBUG"})
    with pytest.raises(StackError, match="run scripts/down"):
        running_settings.keep(runs, is_reloading=True)


def test_what_runs_keeps_its_settings_and_each_new_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    me = processes.Process(os.getpid(), processes.start_time(os.getpid()) or "")
    runs = Stack(tmp_path, processes={"api": me}, settings={"TASK_MODULES": "old", "TASK_MODULES_FOLDER": "/srv"})
    given = {"TASK_MODULES": "new", "TASK_MODULES_FOLDER": "/srv", "LOG_LEVEL": "DEBUG"}
    monkeypatch.setattr(os, "environ", given)
    running_settings.keep(runs)
    said = "".join(capsys.readouterr())
    assert "Ignored: TASK_MODULES=new. The stack runs already, with TASK_MODULES=old." in said
    assert "Ignored: LOG_LEVEL=DEBUG. The stack runs already, without LOG_LEVEL." in said
    assert "TASK_MODULES_FOLDER" not in said
    # A part that is started now runs the same task types as the others.
    assert given["TASK_MODULES"] == "old"


def test_only_python_files_of_the_folders_own_code_count(tmp_path: Path):
    for name in ("a.py", "b.txt", "inner/c.py", ".git/d.py", "__pycache__/e.py", "env/pyvenv.cfg", "env/f.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "gone.py").symlink_to(tmp_path / "nowhere")
    before = reload.snapshot(tmp_path)
    assert {str(path.relative_to(tmp_path)) for path in before} == {"a.py", "inner/c.py"}
    (tmp_path / "a.py").write_text("1")
    assert reload.snapshot(tmp_path) != before


def test_reload_stays_in_the_foreground(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        options.parse_up(["--reload", "--detach"])
    assert "leave out --detach" in capsys.readouterr().err


def test_a_folder_without_a_module_or_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "environ", {})
    with pytest.raises(StackError, match="--tasks needs --module"):
        task_modules.choose(options.parse_up(["--tasks", str(tmp_path)]))
    with pytest.raises(StackError, match="there is no folder"):
        task_modules.choose(options.parse_up(["--tasks", str(tmp_path / "nowhere"), "--module", "a"]))


def test_the_data_is_in_the_checkout_wherever_the_command_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("DATA_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    assert options.parse_up([]).data_dir == options.parse_down([]) == parts.ROOT / ".data"
    assert options.parse_up(["--data-dir", "here"]).data_dir == tmp_path / "here"
