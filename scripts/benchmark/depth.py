"""``scripts/bench --depth``: the same work on an empty database and on one of millions of ended tasks, in turn."""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TypeAlias
from uuid import UUID

from scripts.benchmark import accounts, archive, database, percentiles, process_trees, servers
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.target import Target
from scripts.stack import parts
from scripts.stack.stackfile import Stack

RATIO = 1.2
"""How much more CPU the same work may cost on the deep database."""
_SETTLE_SECONDS = 1.0
_PARTS = ("api", "postgres", "worker1")

_Work: TypeAlias = Callable[[], None]

# By the clock, or of any age: what is read of the last is on disk, where the buffers are smaller than the tables.
_SAMPLE = """
SELECT array_agg(id::text) FROM (SELECT id FROM task WHERE tenant_id = $1 AND finished_at IS NOT NULL
                                 ORDER BY %s LIMIT $2) AS one
"""
_NEWEST, _ANY_AGE = "id DESC", "random()"


# Most of the archive is past its time: the pruner has work for as long as this runs.
_LET_GO = """
UPDATE tenant SET limits = '{"retention_days": 1}' WHERE slug LIKE 'archive-%'
"""

_HOT = """
SELECT sum(n_tup_upd)::bigint, sum(n_tup_hot_upd)::bigint FROM pg_stat_user_tables WHERE relname LIKE 'task\\_p%'
"""


@dataclass(frozen=True)
class Depth:
    """How much is measured."""

    rows: int = 10_000_000
    pairs: int = 5
    tasks: int = 1_000
    """From submit to result, in each measurement of each database."""
    requests: int = 5_000
    """Submits alone and statuses. The system counts CPU by hundredths of a second: fewer would be lost in them."""
    submit_connections: int = 64
    connections: int = 16


@dataclass
class _Side:
    """One of the two databases, with a stack of its own."""

    stack: Stack
    account: accounts.Account
    cpu: dict[str, list[dict[str, float]]] = field(default_factory=dict)
    """By act, for each pair: CPU ms per 1,000 of each part."""

    def target(self, result_path: str) -> Target:
        return Target(servers.port_of(self.stack), "/api/tasks/submit", result_path, self.account.key)

    def measure(self, act: str, count: int, work: _Work) -> None:
        """Note what the parts used for some work of so many tasks."""
        roots = {part: pid for part, pid in servers.roots(self.stack).items() if part in _PARTS}
        before = process_trees.cpu_seconds(roots)
        work()
        # What is written after the answer belongs to it.
        time.sleep(_SETTLE_SECONDS)
        after = process_trees.cpu_seconds(roots)
        self.cpu.setdefault(act, []).append({p: 1_000_000 * (after[p] - before[p]) / count for p in roots})

    def totals(self, act: str) -> list[float]:
        return [sum(by_part.values()) for by_part in self.cpu[act]]


def main(arguments: Sequence[str]) -> str:
    """Measure, and return the report as markdown."""
    parser = argparse.ArgumentParser(prog="scripts/bench --depth")
    parser.add_argument("--depth", action="store_true", help="measure an empty database against a deep one")
    parser.add_argument("--rows", type=int, default=0, metavar="N", help="ended tasks (default: 10 million)")
    parser.add_argument("--quick", action="store_true", help="20,000 rows and one pair: to see that it works")
    asked = parser.parse_args(arguments)
    depth = Depth(20_000, pairs=1, tasks=300, requests=300) if asked.quick else Depth()
    return run(replace(depth, rows=asked.rows or depth.rows))


def run(depth: Depth) -> str:
    """Measure in pairs: end to end, status, then submits with no worker, at last submits while old tasks are pruned."""
    with _side("empty") as empty, _side("deep") as deep:
        archive.fill(deep.stack.database_url or "", depth.rows, deep.account.tenant_id)
        sides = (empty, deep)
        for side in sides:
            _end_to_end(side, depth)()
        _in_turn(sides, depth, "end to end", depth.tasks, _end_to_end)
        _in_turn(sides, depth, "status of the newest", depth.requests, _status_of(_NEWEST))
        _in_turn(sides, depth, "status of any age", depth.requests, _status_of(_ANY_AGE))
        for side in sides:
            servers.stop_workers(side.stack)
        _in_turn(sides, depth, "submit", depth.requests, _submit)
        before = _tasks(deep)
        database.fetch(deep.stack.database_url or "", _LET_GO)
        for _ in range(depth.pairs):
            deep.measure("submit while pruning", depth.requests, _submit(deep, depth))
        pruned = before + depth.pairs * depth.requests - _tasks(deep)
        return "\n".join(_report(empty, deep, depth, pruned))


@contextlib.contextmanager
def _side(name: str) -> Iterator[_Side]:
    with servers.ours() as stack:
        yield _Side(stack, accounts.create(stack, name))


def _in_turn(
    sides: Sequence[_Side], depth: Depth, act: str, count: int, prepare: Callable[[_Side, Depth], _Work]
) -> None:
    for number in range(depth.pairs):
        for side in sides if number % 2 else reversed(sides):
            side.measure(act, count, prepare(side, depth))
        print(f"{act}: pair {number + 1} of {depth.pairs}", file=sys.stderr, flush=True)


def _end_to_end(side: _Side, depth: Depth) -> _Work:
    """Submit, run and read the results."""
    return lambda: _load(side.target("/api/tasks/%s/result?wait=20"), depth.connections, count=depth.tasks)


def _status_of(order: str) -> Callable[[_Side, Depth], _Work]:
    """Read ended tasks, chosen in this order; each of them once, or again where there are fewer."""

    def prepare(side: _Side, depth: Depth) -> _Work:
        wanted = depth.requests
        tenant_id = UUID(side.account.tenant_id)
        found: list[str] = database.value(side.stack.database_url or "", _SAMPLE % order, tenant_id, wanted)
        task_ids = (found * (wanted // len(found) + 1))[:wanted]
        return lambda: _load(side.target("/api/tasks/%s/status"), depth.connections, task_ids=task_ids)

    return prepare


def _submit(side: _Side, depth: Depth) -> _Work:
    return lambda: _load(side.target(""), depth.submit_connections, count=depth.requests)


def _load(target: Target, width: int, *, count: int = 0, task_ids: Sequence[str] = ()) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "scripts.benchmark.depth_load"],
        input=json.dumps({"target": asdict(target), "width": width, "count": count, "task_ids": list(task_ids)}),
        env={**os.environ, "PYTHONPATH": str(parts.ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"the load on {width} connections: {done.stderr.strip()}")


def _tasks(side: _Side) -> int:
    return int(database.value(side.stack.database_url or "", "SELECT count(*) FROM task"))


def _report(empty: _Side, deep: _Side, depth: Depth, pruned: int) -> Iterator[str]:
    url = deep.stack.database_url or ""
    size = database.value(url, "SELECT pg_size_pretty(pg_database_size(current_database()))")
    yield f"# Depth: {depth.rows:,} ended tasks ({size}) against none; {depth.pairs} pairs\n"
    yield f"{depth.tasks:,} tasks from submit to result, {depth.requests:,} submits and statuses in each measurement\n"
    yield "CPU ms per 1,000 of api, Postgres and worker; medians [lowest-highest]\n"
    yield "| act | empty | deep | of it Postgres: empty | deep | deep / empty [of a pair] | |"
    yield "|---|---|---|---|---|---|---|"
    for act in empty.cpu:
        yield _row(act, empty, act, deep)
    yield _row("submit while pruning", deep, "submit", deep)
    yield f"\nPruned meanwhile: {pruned:,} tasks. In the last row both sides are the deep database."
    [(updated, hot)] = database.fetch(url, _HOT)
    yield f"Updates of tasks that wrote no index: {100 * hot / max(updated, 1):.1f} %."


def _row(act: str, left: _Side, left_act: str, deep: _Side) -> str:
    before, after = left.totals(left_act), deep.totals(act)
    ratio, lowest, highest = percentiles.ratios(after, before)
    postgres = [percentiles.median([each["postgres"] for each in cpu]) for cpu in (left.cpu[left_act], deep.cpu[act])]
    cells = [act, _cell(before), _cell(after), *(f"{each:.0f}" for each in postgres)]
    cells += [f"{ratio:.2f} [{lowest:.2f}-{highest:.2f}]", "met" if ratio <= RATIO else "**missed**"]
    return f"| {' | '.join(cells)} |"


def _cell(values: Sequence[float]) -> str:
    return f"{percentiles.median(values):,.0f} [{min(values):,.0f}-{max(values):,.0f}]"
