"""Submits of a process of its own, timed: what else runs must not slow the one who asks."""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from typing import Final

from scripts.benchmark import servers
from scripts.benchmark.accounts import Account
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.target import Target
from scripts.stack import parts
from scripts.stack.stackfile import Stack

_CONNECTIONS: Final = 16


def seconds(stack: Stack, account: Account, count: int) -> float:
    """Submit so many tasks over 16 connections; return the seconds until the last answer.

    Raises:
        BenchmarkError: a submit was not accepted.

    """
    target = Target(servers.port_of(stack), "/api/tasks/submit", "", account.key)
    asked = {"target": asdict(target), "width": _CONNECTIONS, "count": count, "task_ids": []}
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scripts.benchmark.depth_load"],
        input=json.dumps(asked), env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise BenchmarkError(f"the submits: {done.stderr.strip()}")
    return time.perf_counter() - began
