"""Floods: how long another tenant waits for a status while somebody sends all that he can of what is dear."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from scripts.benchmark import accounts, checked, flood_kinds, names, percentiles, servers
from scripts.benchmark.accounts import Account
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.flood_kinds import Flood
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures, Run
from scripts.stack import http_client, parts
from scripts.stack.stackfile import Stack

_EVERY_SECONDS = 0.02
_CALM_SECONDS = 1.0
_PERCENT = 95


def measure(plan: Plan, found: Run) -> Figures:
    """Measure on servers of its own."""
    with checked.ours(found, (names.PREFORK,)) as (stack, _):
        return on(stack, plan)


def on(stack: Stack, plan: Plan) -> Figures:
    """Return ``<name>.before`` and ``<name>.during`` of each flood, the other tenant's p95 in ms, and what else was.

    ``<name>.status.<code>`` counts the flood's answers, ``<name>.refused`` the other tenant's that were no 200, and
    ``<name>.memory`` is how far above its size before the api's process was at its largest, in MB.
    """
    beside = accounts.create(stack, "beside")
    question = {"path": f"/api/tasks/{_waiting_task(stack, beside)}/status", "key": beside.key}
    figures: Figures = {}
    for number, flood in enumerate(flood_kinds.chosen(plan.floods.names)):
        sender = None if flood.plan is None else accounts.create(stack, f"flood-{number}", flood.plan)
        if flood.prepare is not None and sender is not None:
            flood.prepare(stack, sender)
        seen = _measure(stack, flood, sender.key if sender else "", plan, question)
        figures |= {f"{flood.name}.{name}": figure for name, figure in seen.items()}
        time.sleep(_CALM_SECONDS)
    return figures


def _waiting_task(stack: Stack, account: Account) -> str:
    """Return a task that waits all the while: to ask for it costs the same before and during a flood."""
    body = {"task": "echo", "delay_seconds": 86_400}
    status, answer = http_client.call(f"{stack.api_url}/api/tasks/submit", body=body, key=account.key)
    if "task_id" not in answer:
        raise BenchmarkError(f"the other tenant's submit was answered {status}")
    return str(answer["task_id"])


def _measure(stack: Stack, flood: Flood, key: str, plan: Plan, question: dict[str, str]) -> Figures:
    before = _answer(_begin(stack, "probe", plan.floods.before_seconds, every=_EVERY_SECONDS, **question))
    memory = _Memory(stack.processes["api"].pid)
    sending = _begin(stack, "flood", plan.floods.seconds + 1, flood=flood.name, key=key)
    assert sending.stdout is not None  # noqa: S101 it is a pipe
    sending.stdout.readline()
    during = _answer(_begin(stack, "probe", plan.floods.seconds, every=_EVERY_SECONDS, **question))
    sent = _answer(sending)["statuses"]
    return {
        "before": _p95(before),
        "during": _p95(during),
        "refused": sum(count for status, count in during["statuses"].items() if status != "200"),
        "memory": memory.growth_megabytes(),
        **{f"status.{status}": count for status, count in sent.items()},
    }


def _p95(seen: dict[str, Any]) -> float:
    return percentiles.percentile(seen["latencies"], _PERCENT) * 1000


def _begin(stack: Stack, action: str, seconds: float, **more: object) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "scripts.benchmark.flood_client", action],
        env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None  # noqa: S101 it is a pipe
    process.stdin.write(json.dumps({"port": servers.port_of(stack), "seconds": seconds, **more}))
    process.stdin.close()
    # ``communicate`` would write to it once more.
    process.stdin = None
    return process


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    out, _ = process.communicate()
    if process.returncode:
        raise BenchmarkError("a client of a flood failed: see above")
    answer: dict[str, Any] = json.loads(out.splitlines()[-1])
    return answer


class _Memory:
    """The resident memory of one process, from here on."""

    def __init__(self, pid: int) -> None:
        self._folder = Path("/proc", str(pid))
        # The highest value from now on, not of the process's life.
        self._folder.joinpath("clear_refs").write_text("5")
        self._before = self._read("VmRSS")

    def growth_megabytes(self) -> float:
        """Return how much larger than before it was at its largest; 10^6 bytes."""
        return max(0.0, self._read("VmHWM") - self._before)

    def _read(self, name: str) -> float:
        lines = self._folder.joinpath("status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:"))
