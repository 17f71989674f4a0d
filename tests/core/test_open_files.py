"""The limit of open files is raised, and a process that comes near it says so."""

import json
import subprocess
import sys

from tests.conftest import ROOT

_PROGRAM = """
import resource, socket
from app.core import logging, open_files
logging.configure("info", service="api")
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
files = open_files.OpenFiles()
files.look()
held = []
while len(held) < {count}:
    try:
        held.append(socket.socket())
    except OSError:
        break
files.look()
files.look()
print(open_files.raise_limit() == min(hard, 65_536) if hard > 0 else True)
"""


def _run(count: int) -> tuple[list[dict[str, object]], str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(count=count)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return [json.loads(line) for line in done.stderr.splitlines()], done.stdout.strip()


def test_a_process_that_has_room_says_nothing_and_gets_what_the_system_allows():
    assert _run(10) == ([], "True")


def test_a_process_near_its_limit_warns_once_and_one_at_its_limit_too():
    for count in (56, 1_000):
        [line], _ = _run(count)
        assert (line["level"], line["limit"]) == ("WARNING", 64)
        assert "LimitNOFILE" in str(line["message"])
