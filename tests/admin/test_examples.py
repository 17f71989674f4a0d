"""The example of each command is one that the command takes."""

import shlex

import pytest
import typer
from typer.testing import CliRunner

from app.admin import examples
from app.admin.commands import app


def test_every_command_has_an_example_and_no_example_is_left_over():
    assert sorted(name for name, _ in examples._commands(app)) == sorted(examples.ARGUMENTS)


@pytest.mark.parametrize(("name", "arguments"), examples.ARGUMENTS.items(), ids=examples.ARGUMENTS)
def test_the_help_shows_an_example_that_the_command_takes(name: str, arguments: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("sys.argv", ["scripts/admin", "--help"])
    shown = CliRunner().invoke(app, [*name.split(), "--help"]).output
    assert f"Example: scripts/admin {name}" in shown
    words, command = name.split(), typer.main.get_command(app)
    for word in words:
        command = command.commands[word]  # type: ignore[attr-defined]  # a group
    # Parses the arguments and runs nothing. Wrong ones raise an error of usage.
    command.make_context(name, shlex.split(arguments))
