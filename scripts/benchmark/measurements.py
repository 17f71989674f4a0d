"""Measures one running contender: latency, idling, end to end, then submits and batches with nobody to run them."""

import time
from collections.abc import Callable

from scripts.benchmark import generator, process_trees, servers
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack


def whole(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure a contender that runs tasks; at the end it has no worker."""
    figures = with_worker(stack, target, plan)
    servers.stop_workers(stack)
    return figures | submits(stack, target, plan) | _batches(stack, target, plan)


def with_worker(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure what needs a worker."""
    generator.warm(target)
    figures = _latency(stack, target, plan) | idle(stack, plan, plan.idle_seconds)
    connections, count = plan.end_to_end_connections, plan.end_to_end_tasks
    figures |= end_to_end(stack, target, plan, connections=connections, count=count)
    return figures | named("memory.after", process_trees.pss_megabytes(servers.roots(stack)))


def submits(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure the submits alone, at each number of connections."""
    figures: Figures = {}
    for connections in plan.connections:
        figures |= submit(stack, target, plan, connections)
    return figures


def submit(stack: Stack, target: Target, plan: Plan, connections: int) -> Figures:
    """Measure the submits alone, at one number of connections."""
    generator.run(target, "submit", connections, seconds=plan.warm_seconds)
    name = f"submit.{connections}"
    return account(stack, name, plan, lambda: generator.run(target, "submit", connections, seconds=plan.submit_seconds))


def end_to_end(stack: Stack, target: Target, plan: Plan, *, connections: int, count: int, name: str = "e2e") -> Figures:
    """Measure many tasks from submit to result."""
    return account(stack, name, plan, lambda: generator.run(target, "end_to_end", connections, count=count))


def idle(stack: Stack, plan: Plan, seconds: float) -> Figures:
    """Return memory, and the share of one core in percent, of a stack that has worked and now waits."""
    roots = servers.roots(stack)
    time.sleep(plan.settle_seconds)
    before, began = process_trees.cpu_seconds(roots), time.perf_counter()
    time.sleep(seconds)
    after, waited = process_trees.cpu_seconds(roots), time.perf_counter() - began
    percent = {part: 100 * (after[part] - before[part]) / waited for part in roots}
    return named("idle", percent) | named("memory.idle", process_trees.pss_megabytes(roots))


def account(stack: Stack, name: str, plan: Plan, act: Callable[[], Figures]) -> Figures:
    """Return what an act has seen, with the servers' CPU by operation, and what else the machine did meanwhile."""
    roots = servers.roots(stack)
    before, busy, began = process_trees.cpu_seconds(roots), process_trees.busy_seconds(), time.perf_counter()
    seen = act()
    time.sleep(plan.settle_seconds)
    after, busy = process_trees.cpu_seconds(roots), process_trees.busy_seconds() - busy
    used = {part: after[part] - before[part] for part in roots}
    other = max(busy - sum(used.values()) - seen["own_cpu"], 0.0) / (time.perf_counter() - began)
    per_thousand = {part: 1000 * cpu / seen["count"] for part, cpu in used.items()}
    return named(f"{name}.cpu", per_thousand) | {
        f"{name}.{key}": each for key, each in {**seen, "other": other}.items()
    }


def named(name: str, by_part: Figures) -> Figures:
    """Return figures of parts under a name, and their sum under the name itself."""
    return {name: sum(by_part.values()), **{f"{name}.{part}": figure for part, figure in by_part.items()}}


def _batches(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Measure batches, where the contender has them."""
    if not target.batch_path:
        return {}
    connections, size = plan.batch_connections, plan.batch_tasks
    generator.run(target, "batch", connections, seconds=plan.warm_seconds, size=size)
    return account(
        stack,
        "batch",
        plan,
        lambda: generator.run(target, "batch", connections, seconds=plan.submit_seconds, size=size),
    )


def _latency(stack: Stack, target: Target, plan: Plan) -> Figures:
    pause = 0.001 if target.pause_seconds else 0.0
    return account(
        stack,
        "latency",
        plan,
        lambda: generator.run(target, "one_by_one", 1, count=plan.latency_tasks, pause_seconds=pause),
    )
