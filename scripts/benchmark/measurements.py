"""Measures one running contender: latency, idling, end to end, then submits and batches with nobody to run them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable

from scripts.benchmark import load, process_trees, servers
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.plan import Plan
from scripts.benchmark.target import Target
from scripts.stack import parts
from scripts.stack.stackfile import Stack

Figures = dict[str, float]
"""By name: ``submit.64.rate`` (1/s), ``….p99`` (ms), ``….cpu`` (s per 1,000; ``….cpu.api`` of a part), and so on."""

_LIMIT_SECONDS = 180.0
_WARM_TASKS = 20


def whole(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure a contender that runs tasks; at the end it has no worker."""
    _run(target, "one_by_one", 1, count=_WARM_TASKS, pause_seconds=0.001)
    figures = {**_latency(stack, target, plan), **_idle(stack, plan), **_end_to_end(stack, target, plan)}
    figures |= _named("memory.after", process_trees.pss_megabytes(servers.roots(stack)))
    servers.stop_worker(stack)
    return figures | submits(stack, target, plan) | _batches(stack, target, plan)


def submits(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure the submits alone, at each number of connections."""
    figures: Figures = {}
    for connections in plan.connections:
        figures |= _submit(stack, target, plan, connections)
    return figures


def _submit(stack: Stack, target: Target, plan: Plan, connections: int) -> Figures:
    _run(target, "submit", connections, seconds=plan.warm_seconds)
    name = f"submit.{connections}"
    return _account(stack, name, plan, lambda: _run(target, "submit", connections, seconds=plan.submit_seconds))


def _batches(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure batches, where the contender has them."""
    if not target.batch_path:
        return {}
    connections, size = plan.batch_connections, plan.batch_tasks
    _run(target, "batch", connections, seconds=plan.warm_seconds, size=size)
    return _account(
        stack,
        "batch",
        plan,
        lambda: _run(target, "batch", connections, seconds=plan.submit_seconds, size=size),
    )


def _latency(stack: Stack, target: Target, plan: Plan) -> Figures:
    pause = 0.001 if target.pause_seconds else 0.0
    return _account(
        stack, "latency", plan, lambda: _run(target, "one_by_one", 1, count=plan.latency_tasks, pause_seconds=pause)
    )


def _end_to_end(stack: Stack, target: Target, plan: Plan) -> Figures:
    connections, count = plan.end_to_end_connections, plan.end_to_end_tasks
    return _account(stack, "e2e", plan, lambda: _run(target, "end_to_end", connections, count=count))


def _idle(stack: Stack, plan: Plan) -> Figures:
    """Return memory, and the share of one core in percent, of a stack that has worked and now waits."""
    roots = servers.roots(stack)
    time.sleep(plan.settle_seconds)
    before, began = process_trees.cpu_seconds(roots), time.perf_counter()
    time.sleep(plan.idle_seconds)
    after, seconds = process_trees.cpu_seconds(roots), time.perf_counter() - began
    percent = {part: 100 * (after[part] - before[part]) / seconds for part in roots}
    return _named("idle", percent) | _named("memory.idle", process_trees.pss_megabytes(roots))


def _account(stack: Stack, name: str, plan: Plan, act: Callable[[], Figures]) -> Figures:
    """Return what an act has seen, with the servers' CPU by operation, and what else the machine did meanwhile."""
    roots = servers.roots(stack)
    before, busy, began = process_trees.cpu_seconds(roots), process_trees.busy_seconds(), time.perf_counter()
    seen = act()
    time.sleep(plan.settle_seconds)
    after, busy = process_trees.cpu_seconds(roots), process_trees.busy_seconds() - busy
    used = {part: after[part] - before[part] for part in roots}
    other = max(busy - sum(used.values()) - seen["own_cpu"], 0.0) / (time.perf_counter() - began)
    per_thousand = {part: 1000 * cpu / seen["count"] for part, cpu in used.items()}
    return _named(f"{name}.cpu", per_thousand) | {
        f"{name}.{key}": each for key, each in {**seen, "other": other}.items()
    }


def _named(name: str, by_part: Figures) -> Figures:
    return {name: sum(by_part.values()), **{f"{name}.{part}": figure for part, figure in by_part.items()}}


def _run(target: Target, action: str, connections: int, **options: float) -> Figures:
    """Let the load generator work, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scripts.benchmark.load"],
        input=load.order(target, action, connections, limit_seconds=_LIMIT_SECONDS, **options),
        env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{action} on {connections} connections: {done.stderr.strip()}")
    seen: Figures = json.loads(done.stdout)
    return seen
