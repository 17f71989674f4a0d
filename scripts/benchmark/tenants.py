"""Ten thousand tenants, a task of each in turn: end to end, waits at an even rate, and submits alone."""

import time
from dataclasses import replace

from scripts.benchmark import accounts, checked, generator, measurements, servers, waits
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures, Run
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack


def measure(plan: Plan, found: Run) -> Figures:
    """Measure on servers of its own."""
    with checked.ours(found, plan.pools) as (stack, target):
        return on(stack, target, plan)


def on(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Return for each pool ``<pool>.first.*`` and ``<pool>.e2e.*``, ``<pool>.wait.*`` (ms), then ``submit.*``.

    ``first`` is a first task of each tenant, of which nothing is cached; ``e2e`` is the next one. At the end there is
    no worker.
    """
    began = time.perf_counter()
    keys = tuple(account.key for account in accounts.create_many(stack, "many", plan.tenants.tenants))
    figures = {"provision.seconds": time.perf_counter() - began}
    everybody = replace(target, keys=keys)
    for pool in plan.pools:
        of_pool = _end_to_end(stack, replace(everybody, task=checked.NOTHING[pool]), plan)
        figures |= {f"{pool}.{name}": figure for name, figure in of_pool.items()}
    servers.stop_workers(stack)
    return figures | measurements.submit(stack, everybody, plan, plan.tenants.submit_connections)


def _end_to_end(stack: Stack, target: Target, plan: Plan) -> Figures:
    connections, count = plan.tenants.connections, plan.tenants.tenants
    figures: Figures = {}
    for name in ("first", "e2e"):
        figures |= measurements.end_to_end(stack, target, plan, connections=connections, count=count, name=name)
    return figures | _evenly(stack, target, plan)


def _evenly(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Submit at an even rate, and return the waits."""
    rate, count = plan.tenants.rate, int(plan.tenants.rate * plan.tenants.rate_seconds)
    began = waits.now(stack)

    def submit_and_run() -> Figures:
        seen = generator.run(target, "even", plan.tenants.connections, count=count, rate=rate)
        waits.until_all_ended(stack)
        return seen

    sent = measurements.account(stack, "even", plan, submit_and_run)
    return sent | {f"wait.{name}": figure for name, figure in waits.since(stack, began, target.task).items()}
