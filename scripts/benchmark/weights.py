"""Tenants of several weights, whose tasks last differently long, with more work than there are slots."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from scripts.benchmark import accounts, checked, database, generator, names, waits
from scripts.benchmark.accounts import Account
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures, Run
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack

_FILL_BATCH = 50
# So many times what a tenant would do if it had all slots to itself: its line does not end.
_MORE_THAN_ALL = 1.2
# What of each attempt lies between two moments; one that runs has no end yet.
_WORKER_SECONDS = """
    SELECT tenant_id::text,
        sum(extract(epoch FROM least(coalesce(finished_at, $2), $2) - greatest(started_at, $1)))::float8
    FROM attempt WHERE started_at < $2 AND coalesce(finished_at, $2) > $1 AND tenant_id = ANY($3) GROUP BY tenant_id
"""


def measure(plan: Plan, found: Run) -> Figures:
    """Measure on servers of its own, with prefork workers: they have as many slots as they have processes."""
    with checked.ours(found, (names.PREFORK,)) as (stack, target):
        return on(stack, target, plan)


def on(stack: Stack, target: Target, plan: Plan) -> Figures:
    """Return ``seconds.<weight>`` of worker time, ``share.<weight>`` of it, ``deviation`` (the largest) and ``busy``.

    A deviation is how far a share is from the weight's, as a part of the latter. Raises ``BenchmarkError`` when a
    tenant ran out of work.
    """
    tenants = dict(_tenants(stack, plan))
    for account, milliseconds in zip(tenants.values(), plan.weights.milliseconds, strict=True):
        _fill(replace(target, key=account.key), milliseconds, plan)
    time.sleep(plan.weights.warm_seconds)
    began = waits.now(stack)
    time.sleep(plan.weights.seconds)
    ended = waits.now(stack)
    for weight, account in tenants.items():
        if not waits.waiting(stack, account):
            raise BenchmarkError(f"the tenant of weight {weight} ran out of tasks: there is nothing to share")
    return _figures(_worker_seconds(stack, tenants, began, ended), plan, (ended - began).total_seconds())


def _tenants(stack: Stack, plan: Plan) -> Iterator[tuple[int, Account]]:
    for weight in plan.weights.weights:
        account = accounts.create(stack, f"weight-{weight}")
        accounts.limit(stack, account, weight=weight)
        yield weight, account


def _fill(target: Target, milliseconds: float, plan: Plan) -> None:
    seconds = (plan.weights.warm_seconds + plan.weights.seconds) * plan.weights.slots * _MORE_THAN_ALL
    count = int(seconds * 1000 / milliseconds) // _FILL_BATCH * _FILL_BATCH + _FILL_BATCH
    busy = replace(target, task=checked.BUSY[names.PREFORK], milliseconds=milliseconds)
    generator.run(busy, "fill", 1, count=count, size=_FILL_BATCH)


def _worker_seconds(stack: Stack, tenants: dict[int, Account], began: datetime, ended: datetime) -> dict[int, float]:
    ids = [account.tenant_id for account in tenants.values()]
    seen = dict(database.fetch(stack.database_url or "", _WORKER_SECONDS, began, ended, ids))
    return {weight: seen.get(account.tenant_id, 0.0) for weight, account in tenants.items()}


def _figures(used: dict[int, float], plan: Plan, seconds: float) -> Figures:
    total, weights = sum(used.values()), sum(used)
    deviations = [abs(each / total * weights / weight - 1) for weight, each in used.items()]
    return {
        **{f"seconds.{weight}": each for weight, each in used.items()},
        **{f"share.{weight}": each / total for weight, each in used.items()},
        "deviation": max(deviations),
        "busy": total / (seconds * plan.weights.slots),
    }
