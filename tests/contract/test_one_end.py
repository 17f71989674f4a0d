"""Every way to end goes through two functions: nobody else ends attempts, wakes those who wait, or logs an attempt."""

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import ROOT

APP = ROOT / "app"
# Each call, and the modules that may make it.
CALLERS: Final[dict[str, set[str]]] = {
    "finish_any_tenant": {"tasks/run/end.py"},
    "revoke_waiting": {"tasks/run/end.py"},
    "request_cancel": {"tasks/run/end.py"},
    # The dispatcher has a duty for it, which counts what fails and waits longer each time.
    "publish_done": {"tasks/run/after_commit.py", "dispatch/loop.py"},
    "publish_cancel": {"tasks/run/after_commit.py"},
}


def _name(call: ast.Call) -> str | None:
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def _calls(path: Path) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]


def _callers(name: str) -> set[str]:
    return {
        str(path.relative_to(APP)) for path in APP.rglob("*.py") if any(_name(call) == name for call in _calls(path))
    }


@pytest.mark.parametrize("name", CALLERS)
def test_an_attempt_is_ended_and_told_of_in_one_place(name: str):
    assert _callers(name) == CALLERS[name]


def test_the_line_of_an_attempt_is_written_in_one_place():
    writers = {
        str(path.relative_to(APP))
        for path in APP.rglob("*.py")
        for call in _calls(path)
        if _name(call) in {"debug", "info", "warning", "error", "write", "log"}
        and any(isinstance(argument, ast.Constant) and argument.value == "attempt" for argument in call.args)
    }
    assert writers == {"tasks/run/after_commit.py"}


@pytest.mark.parametrize("name", ["end", "end_as_leader"])
def test_whoever_ends_attempts_does_what_follows(name: str):
    for caller in _callers(name):
        text = (APP / caller).read_text()
        assert "tasks.run" not in text or "after_commit" in text or caller == "tasks/run/end.py", caller
