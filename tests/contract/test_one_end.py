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
    "request_cancel_each": {"tasks/run/end.py"},
    "cancel_many": {"tasks/run/cancellation.py", "operations/bulk_cancel.py", "schedules/firing.py"},
    # The dispatcher has a duty for it, which counts what fails and waits longer each time.
    "publish_done": {"tasks/run/after_commit.py", "dispatch/loop.py"},
    "publish_cancel": {"tasks/run/after_commit.py"},
}
ENDS: Final = {"end", "end_once", "end_as_leader"}
# Who ends attempts, and what of after_commit follows there: the line of the attempt, and who waits is told of the end.
FOLLOWING: Final[dict[str, set[str]]] = {
    "worker/finish_writer.py": {"log", "wake", "after_commit"},
    "worker/unanswered_claims.py": {"after_commit"},
    # The loop wakes those who wait, all together.
    "dispatch/rescuer.py": {"warn_of_rescue", "is_final"},
    "dispatch/expired_leases.py": {"warn_of_rescue", "is_final"},
    "tasks/run/leases.py": {"after_commit"},
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


def _called_of(module: str, path: Path) -> set[str]:
    """Return the functions of a module that a file calls as ``module.function()``."""
    return {
        call.func.attr
        for call in _calls(path)
        if isinstance(call.func, ast.Attribute)
        and isinstance(call.func.value, ast.Name)
        and call.func.value.id == module
    }


def test_whoever_ends_attempts_does_what_follows():
    enders = {str(path.relative_to(APP)) for path in APP.rglob("*.py") if _called_of("end", path) & ENDS}
    assert enders == set(FOLLOWING)
    for ender, functions in FOLLOWING.items():
        assert functions <= _called_of("after_commit", APP / ender), ender


def test_the_functions_that_end_attempts_are_called_by_the_name_of_their_module():
    """Else the test above would not see a caller."""
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "app.tasks.run.end":
                assert not {name.name for name in node.names} & ENDS, path
