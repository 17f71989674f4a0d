"""The packages for agents are the usual ones and those of the protocol, in the same versions everywhere."""

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT


def _pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text()
    assert text.count("==") <= text.count("--hash=sha256:"), "every package is pinned with its hashes"
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))


def test_they_add_to_the_usual_ones_and_change_none():
    usual, agents, development = (_pins(f"requirements{name}.txt") for name in ("", "-mcp", "-dev"))
    assert usual.items() <= agents.items()
    assert {"mcp", "mcp-types"} <= agents.keys() - usual.keys()
    assert agents.items() <= development.items()


def _install(folder: Path, value: str) -> "subprocess.CompletedProcess[str]":
    """Run the step of the Dockerfile that installs packages, with a Python that prints what it is asked to do."""
    text = (ROOT / "Dockerfile").read_text().partition("\nFROM packages")[0]
    [step] = re.findall(r"^RUN --mount=\S+ \\\n((?:.*\\\n)*.*)$", text, re.MULTILINE)
    python = folder / "python"
    python.write_text('#!/bin/sh\necho "$@"\n')
    python.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "MCP": value}
    return subprocess.run(["sh", "-c", step], env=environment, check=False, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize(("value", "name"), [("off", "requirements.txt"), ("on", "requirements-mcp.txt")])
def test_the_image_has_them_where_the_build_argument_says_so(tmp_path: Path, value: str, name: str):
    assert _install(tmp_path, value).stdout.split()[-2:] == ["-r", f"/tmp/{name}"]
    assert f"\nCOPY {name} /tmp/\n" in (ROOT / "Dockerfile").read_text()


def test_the_image_is_built_without_them_unless_told_otherwise_and_not_for_a_wrong_word(tmp_path: Path):
    assert "\nARG MCP=off\n" in (ROOT / "Dockerfile").read_text()
    wrong = _install(tmp_path, "yes")
    assert (wrong.returncode, wrong.stdout, wrong.stderr) == (2, "", "MCP is on or off\n")


def test_compose_builds_and_serves_by_one_word():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    assert services["setup"]["build"]["args"] == {"MCP": "${MCP:-off}"}
    assert services["api"]["environment"]["MCP"] == "${MCP:-off}"
