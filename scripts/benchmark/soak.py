"""A long mixed load, far from the limit: whether memory, open files and threads stay as they were."""

from collections.abc import Mapping
from dataclasses import replace

from scripts.benchmark import accounts, checked, generator, measurements, process_trees, servers, waits
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures, Run
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack

_TENANTS = 20
_BUSY_MILLISECONDS = 20.0
_MARGIN_SECONDS = 180.0


def measure(plan: Plan, found: Run) -> Figures:
    """Measure on servers of its own."""
    with checked.ours(found, plan.pools) as (stack, target):
        return on(stack, target, plan)


def on(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Return the states ``before.*``, ``half.*`` and ``after.*``, and what the load saw on the way to the last two.

    A state is ``idle``, ``memory.idle``, ``files`` and ``threads``. What fills once has grown in the first half, what
    leaks grows in both.
    """
    keys = tuple(account.key for account in accounts.create_many(stack, "soak", _TENANTS))
    everybody = replace(target, keys=keys)
    _load(stack, everybody, plan, plan.soak.warm_seconds)
    figures = _named("before", _state(stack, plan))
    for when in ("half", "after"):
        figures |= measurements.account(
            stack, f"load.{when}", plan, lambda: _load(stack, everybody, plan, plan.soak.seconds / 2)
        )
        figures |= _named(when, _state(stack, plan))
    return figures


def _load(stack: Stack, target: Target, plan: Plan, seconds: float) -> Figures:
    tasks = [
        task
        for pool in plan.pools
        for task in ((checked.NOTHING[pool], None), (checked.BUSY[pool], _BUSY_MILLISECONDS))
    ]
    seen = generator.run(
        target,
        "mixed",
        plan.soak.connections,
        limit_seconds=seconds + _MARGIN_SECONDS,
        count=int(seconds * plan.soak.rate),
        rate=plan.soak.rate,
        tasks=tasks,
    )
    waits.until_all_ended(stack)
    return seen


def _state(stack: Stack, plan: Plan) -> Figures:
    figures, roots = measurements.idle(stack, plan, plan.soak.idle_seconds), servers.roots(stack)
    figures |= measurements.named("files", process_trees.open_files(roots))
    return figures | measurements.named("threads", process_trees.threads(roots))


def _named(name: str, figures: Mapping[str, float]) -> Figures:
    return {f"{name}.{key}": figure for key, figure in figures.items()}
