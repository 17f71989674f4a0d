"""Runs the load generator, in a process of its own."""

import json
import os
import subprocess
import sys

from scripts.benchmark import load
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.runs import Figures
from scripts.benchmark.target import Target
from scripts.stack import parts

_LIMIT_SECONDS = 180.0


def run(
    target: Target, action: str, connections: int, *, limit_seconds: float = _LIMIT_SECONDS, **options: object
) -> Figures:
    """Let it do one of its actions, and return what it saw; raises ``BenchmarkError``."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scripts.benchmark.load"],
        input=load.order(target, action, connections, limit_seconds=limit_seconds, **options),
        env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{action} on {connections} connections: {done.stderr.strip()}")
    seen: Figures = json.loads(done.stdout)
    return seen


def warm(target: Target, tasks: int = 20) -> None:
    """Run a few tasks, one by one: what they run on has started then."""
    run(target, "one_by_one", 1, count=tasks, pause_seconds=0.001)
