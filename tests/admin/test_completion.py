"""Completion, as the shells themselves ask for it: of commands, of options and of tenants."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from tests.conftest import ROOT

Admin = Callable[..., CompletedProcess[str]]
# What bash does when somebody presses the tab key after the words.
_BASH = """
eval "$(app/scripts/admin completion bash)"
function_of=$(complete -p admin); function_of=${function_of#*-F }; function_of=${function_of%% *}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"$function_of" "$1"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# Without a terminal there is no line editor, so compadd is replaced by a function that prints.
_ZSH = """
compdef() { : }
compadd() { print -l -- ${(P)2} }
eval "$(app/scripts/admin completion zsh)"
words=("$@"); CURRENT=$#
_task_queue_admin
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which scripts/admin is at a path of its own, and runs by this interpreter."""
    scripts = tmp_path / "app" / "scripts"
    scripts.mkdir(parents=True)
    line = f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -P -m app.admin "$@"\n'
    (scripts / "admin").write_text(line)
    (scripts / "admin").chmod(0o755)
    return tmp_path


def _complete(shell: str, folder: Path, environment: dict[str, str], *words: str) -> list[str]:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    program = _BASH if shell == "bash" else _ZSH
    line = [path, "-c", program, shell, "app/scripts/admin", *words]
    done = subprocess.run(
        line, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=60
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_commands_groups_and_tenants_are_completed(admin: Admin, folder: Path, environment: dict[str, str], shell: str):
    assert _complete(shell, folder, environment, "ten") == ["tenant"]
    assert {"list", "show", "rename"} <= set(_complete(shell, folder, environment, "tenant", ""))
    slug = f"complete-{uuid.uuid4().hex[:12]}"
    assert admin("tenant", "create", slug, "--name", "A").returncode == 0
    assert _complete(shell, folder, environment, "tenant", "show", slug[:-3]) == [slug]


def test_a_stack_that_is_away_completes_nothing_and_says_nothing(folder: Path, environment: dict[str, str]):
    away = environment | {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    assert _complete("bash", folder, away, "tenant", "show", "a") == []
