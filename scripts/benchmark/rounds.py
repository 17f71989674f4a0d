"""One round: each contender in turn, on servers of its own; the order changes from round to round."""

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from scripts.benchmark import (
    accounts,
    checked,
    database,
    deliveries,
    floods,
    machine,
    measurements,
    node,
    noisy,
    peers,
    servers,
    soak,
    tenants,
    weights,
)
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.names import (
    ASYNCIO,
    DELIVERIES,
    EMPTY,
    FLOODS,
    GATE,
    NAIVE,
    NOISY,
    OURS,
    OURS_ASYNCIO,
    PREFORK,
    SOAK,
    TENANTS,
    WEIGHTS,
)
from scripts.benchmark.peers import Peer
from scripts.benchmark.plan import Plan
from scripts.benchmark.runs import Figures, Measure, Run
from scripts.benchmark.target import Target
from scripts.stack.stackfile import Stack


def run(plan: Plan) -> Run:
    """Measure every contender in every round."""
    found = Run(plan, machine=machine.describe())
    for number in range(plan.rounds):
        figures: dict[str, Figures] = {}
        for name, measure in _in_turn(plan, number):
            began = time.monotonic()
            figures[name] = measure(plan, found)
            _note(f"round {number + 1} of {plan.rounds}: {name}, {time.monotonic() - began:.0f} s")
        found.rounds.append(figures)
    found.machine["load average at the end"] = machine.load_average()
    return found


def _in_turn(plan: Plan, number: int) -> list[tuple[str, Measure]]:
    """Return all contenders in the order of a round: each goes first once."""
    all_of_them = [(name, _CONTENDERS[name]) for name in plan.contenders if number == 0 or name not in _ONCE]
    all_of_them += [(name, partial(_peer, peers.ALL[name])) for name in plan.peers]
    first = number % len(all_of_them) if all_of_them else 0
    return all_of_them[first:] + all_of_them[:first]


def _note(text: str) -> None:
    # The report alone is on stdout.
    print(text, file=sys.stderr, flush=True)


def _ours(plan: Plan, found: Run) -> Figures:
    with checked.ours(found, (PREFORK,)) as (stack, target):
        return _counted(lambda: _rows(stack), lambda: measurements.whole(stack, target, plan))


def _ours_asyncio(plan: Plan, found: Run) -> Figures:
    """Measure what another worker makes another: what is submitted costs the same."""
    with checked.ours(found, (ASYNCIO,)) as (stack, target):
        return _counted(lambda: _rows(stack), lambda: measurements.with_worker(stack, target, plan))


def _naive(plan: Plan, _found: Run) -> Figures:
    with servers.naive() as stack:
        return _counted(lambda: _rows(stack), lambda: measurements.whole(stack, _plain_routes(stack), plan))


def _peer(its: Peer, plan: Plan, found: Run) -> Figures:
    with servers.peer(its) as stack:
        if its.is_node:
            found.machine[its.name] = ", ".join(node.versions(its.name))
        else:
            found.machine["peers"] = peers.versions()
        target = _plain_routes(stack)
        if its.has_batches:
            target = replace(target, batch_path="/tasks/batch")
        return _counted(lambda: peers.accepted(its, stack), lambda: measurements.whole(stack, target, plan))


def _plain_routes(stack: Stack) -> Target:
    # Each of 16 waiters asks 50 times a second: often enough, and little load.
    return Target(servers.port_of(stack), "/tasks", "/tasks/%s/result", pause_seconds=0.02)


def _empty(plan: Plan, _found: Run) -> Figures:
    with servers.empty_route() as stack:
        return measurements.submits(stack, Target(servers.port_of(stack), "/tasks"), plan)


def _gate(plan: Plan, _found: Run) -> Figures:
    """Measure what authentication and admission add to a route: CPU of api and Valkey, ms a request."""
    with servers.gated_route() as stack:
        account = accounts.create(stack, "gate")
        accounts.limit(stack, account, requests_per_second=1_000_000, burst=1_000_000)
        port = servers.port_of(stack)
        opened = measurements.submits(stack, Target(port, "/open"), plan)
        closed = measurements.submits(stack, Target(port, "/gated", key=account.key), plan)
    names = [f"submit.{number}.cpu" for number in plan.connections]
    return {f"gate.{name}": closed[name] - opened[name] for name in names}


def _counted(count: Callable[[], int], measure: Callable[[], Figures]) -> Figures:
    """Measure, then count: every accepted submit must be kept, so there must be at least as many."""
    before = count()
    figures = measure()
    accepted = sum(figure for name, figure in figures.items() if name.endswith(".count"))
    if (stored := count() - before) < accepted:
        raise BenchmarkError(f"{accepted:.0f} submits were accepted, {stored} are stored")
    return figures


def _rows(stack: Stack) -> int:
    return int(database.value(stack.database_url or "", "SELECT count(*) FROM task"))


_CONTENDERS: dict[str, Measure] = {
    EMPTY: _empty,
    OURS: _ours,
    OURS_ASYNCIO: _ours_asyncio,
    NAIVE: _naive,
    GATE: _gate,
    TENANTS: tenants.measure,
    NOISY: noisy.measure,
    WEIGHTS: weights.measure,
    FLOODS: floods.measure,
    DELIVERIES: deliveries.measure,
    SOAK: soak.measure,
}
_ONCE = {SOAK}
"""Long, and medians of it say no more: in the first round only."""
