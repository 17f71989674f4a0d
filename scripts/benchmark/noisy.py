"""A noisy neighbour: how long a light tenant's tasks wait while another's stand in a long line."""

import time
from dataclasses import replace

from scripts.benchmark import accounts, checked, generator, waits
from scripts.benchmark.accounts import Account
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures, Run
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack

_FILL_CONNECTIONS = 4
_FILL_BATCH = 500
_LIGHT_CONNECTIONS = 4


def measure(plan: Plan, found: Run) -> Figures:
    """Measure each pool on servers of its own: the other's line would still be there."""
    figures: Figures = {}
    for pool in plan.pools:
        with checked.ours(found, (pool,)) as (stack, target):
            figures |= on(stack, target, plan, pool)
    return figures


def on(stack: Stack, target: Target, plan: Plan, pool: str) -> Figures:
    """Return ``<pool>.alone.*`` and ``<pool>.beside.*`` in ms, and ``<pool>.left``, the line at the end."""
    light, heavy = accounts.create(stack, "light"), accounts.create(stack, "heavy")
    alone = _light(stack, target, light, plan, plan.noisy.alone_seconds)
    _fill(replace(target, key=heavy.key, task=checked.BUSY[pool]), plan)
    time.sleep(plan.noisy.warm_seconds)
    beside = _light(stack, target, light, plan, plan.noisy.seconds)
    named = {"alone": alone, "beside": beside}
    waited = {f"{pool}.{name}.{key}": value for name, figures in named.items() for key, value in figures.items()}
    return waited | {f"{pool}.left": waits.waiting(stack, heavy)}


def _light(stack: Stack, target: Target, account: Account, plan: Plan, seconds: float) -> Figures:
    """Let the light tenant submit at its rate, and return its waits, with the latencies of its submits."""
    began, count = waits.now(stack), int(plan.noisy.rate * seconds)
    its = replace(target, key=account.key)
    sent = generator.run(its, "even", _LIGHT_CONNECTIONS, count=count, rate=plan.noisy.rate)
    return waits.since(stack, began, target.task, account) | {"submit.p99": sent["p99"]}


def _fill(target: Target, plan: Plan) -> None:
    size = min(_FILL_BATCH, plan.noisy.waiting)
    asked = replace(target, milliseconds=plan.noisy.milliseconds)
    generator.run(asked, "fill", _FILL_CONNECTIONS, count=plan.noisy.waiting, size=size)
