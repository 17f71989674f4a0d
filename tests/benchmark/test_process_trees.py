"""CPU and memory of process trees, with real processes."""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from scripts.benchmark import process_trees
from scripts.stack import processes

BURN = "import time\nwhile time.process_time() < 0.3: pass"
PARENT = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN!r}])\nprint('done', flush=True)\nsys.stdin.read()"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """Yield a process whose child has worked and ended."""
    process = subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "done\n"
    yield process
    process.communicate("")


def test_the_work_of_a_child_that_has_ended_counts(parent: subprocess.Popen[str]) -> None:
    assert process_trees.cpu_seconds({"it": parent.pid})["it"] >= 0.28


def test_the_work_of_a_child_that_runs_counts_once() -> None:
    with subprocess.Popen([sys.executable, "-c", BURN + "\ninput()"], stdin=subprocess.PIPE, text=True) as child:
        us = {"us": os.getpid()}
        before = process_trees.cpu_seconds(us)["us"]
        processes.wait_until(lambda: process_trees.cpu_seconds({"it": child.pid})["it"] >= 0.25, 10)
        during = process_trees.cpu_seconds(us)["us"] - before
        child.communicate("\n")
    assert 0.2 <= process_trees.cpu_seconds(us)["us"] - before <= during + 0.5


def test_memory_is_that_of_the_whole_tree(parent: subprocess.Popen[str]) -> None:
    alone = process_trees.pss_megabytes({"it": parent.pid})["it"]
    both = process_trees.pss_megabytes({"us": os.getpid()})["us"]
    assert 1 < alone < both


def test_a_tree_that_is_gone_has_used_nothing() -> None:
    assert process_trees.cpu_seconds({"gone": 2**22 + 1}) == {"gone": 0}
