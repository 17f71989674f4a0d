"""Compare this version with another checkout: both run at once, and short loads go to one and the other in turn.

A shared machine changes its speed within seconds, by more than what is to be measured. Loads of a second, alternating,
meet the same speed on both sides. Only CPU time is compared: while one side works, the other one idles on the same
cores.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from scripts.benchmark import checked, generator, names, process_trees
from scripts.benchmark.errors import BenchmarkError
from scripts.benchmark.percentiles import median
from scripts.benchmark.runs import Figures
from scripts.benchmark.tables import head, number, row
from scripts.benchmark.target import Target
from scripts.stack import parts

TURNS: Final = 20
_BATCH_SIZE: Final = 100
# A part with a smaller share of a load's CPU is left out of the table.
_SHOWN: Final = 0.02
_STOP_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Sizes:
    """How much load one turn brings."""

    seconds: float = 1.0
    """Of each kind of submit."""
    tasks: int = 500
    """From submit to result, over 16 connections."""
    lone_tasks: int = 30
    """One after the other."""
    settle_seconds: float = 0.3
    """After each load: what was put off until after the answer belongs to it, too."""


@dataclass
class Side:
    """One of the two versions, with what it has used so far."""

    process: subprocess.Popen[str]
    target: Target
    roots: dict[str, int]
    used: dict[str, list[Figures]] = field(default_factory=lambda: defaultdict(list))
    """By the name of a load, for each turn: CPU in ms a task of each part."""

    def stop_workers(self) -> None:
        """Stop its workers, so that submits are measured alone."""
        assert self.process.stdin is not None  # noqa: S101 it was opened as a pipe
        print("stop", file=self.process.stdin, flush=True)
        self.roots = _answer(self.process)["roots"]

    def measure(self, name: str, load: "Load", settle_seconds: float) -> None:
        """Bring one load and note its CPU."""
        before = process_trees.cpu_seconds(self.roots)
        seen = load(self.target)
        time.sleep(settle_seconds)
        after = process_trees.cpu_seconds(self.roots)
        self.used[name].append({part: 1000 * (after[part] - before[part]) / seen["count"] for part in self.roots})

    def sums(self, name: str) -> list[float]:
        """Return the CPU of all parts for each turn of a load."""
        return [sum(turn.values()) for turn in self.used[name]]

    def median(self, name: str, part: str) -> float:
        """Return the median of one part; 0 for a part that it does not have."""
        return median([turn.get(part, 0.0) for turn in self.used[name]])


Load = Callable[[Target], Figures]


def compare(checkout: Path, turns: int = TURNS, sizes: Sizes | None = None) -> str:
    """Return the table of both versions' CPU, as markdown. Raises ``BenchmarkError``."""
    sizes = sizes or Sizes()
    with _running(checkout) as other, _running(parts.ROOT) as ours:
        _take_turns(other, ours, _with_workers(sizes), turns, sizes)
        for side in (other, ours):
            side.stop_workers()
        _take_turns(other, ours, _submits(sizes), turns, sizes)
        return "\n".join(table(other, ours, turns))


def _with_workers(sizes: Sizes) -> dict[str, Load]:
    loads: dict[str, Load] = {}
    for pool in names.POOLS:
        loads[f"end to end, {pool}"] = partial(_end_to_end, checked.NOTHING[pool], sizes.tasks)
        loads[f"a lone task, {pool}"] = partial(_one_by_one, checked.NOTHING[pool], sizes.lone_tasks)
    return loads


def _submits(sizes: Sizes) -> dict[str, Load]:
    loads: dict[str, Load] = {}
    for connections in (1, 16, 64):
        loads[f"submit, connections: {connections}"] = partial(_submit, connections, sizes.seconds)
    loads[f"a task of a batch of {_BATCH_SIZE}"] = partial(_batch, sizes.seconds)
    return loads


def _end_to_end(task: str, count: int, target: Target) -> Figures:
    return generator.run(replace(target, task=task), "end_to_end", 16, count=count)


def _one_by_one(task: str, count: int, target: Target) -> Figures:
    return generator.run(replace(target, task=task), "one_by_one", 1, count=count, pause_seconds=0.0)


def _submit(connections: int, seconds: float, target: Target) -> Figures:
    return generator.run(target, "submit", connections, seconds=seconds)


def _batch(seconds: float, target: Target) -> Figures:
    return generator.run(target, "batch", 4, seconds=seconds, size=_BATCH_SIZE)


def _take_turns(other: Side, ours: Side, loads: dict[str, Load], turns: int, sizes: Sizes) -> None:
    # One turn more than asked for: the first one warms up, and is not counted.
    for turn in range(turns + 1):
        for name, load in loads.items():
            for side in (other, ours) if turn % 2 else (ours, other):
                side.measure(name, load, sizes.settle_seconds)
        if turn == 0:
            for side, name in itertools.product((other, ours), loads):
                side.used[name].clear()
        print(f"turn {turn} of {turns}: {', '.join(loads)}", file=sys.stderr, flush=True)


def table(other: Side, ours: Side, turns: int) -> list[str]:
    """Return the lines of the table: a heading, two lines of its head, and one for each load."""
    title = f"# CPU ms of all processes for a task: medians of {turns} turns; the ratio is the median of their ratios"
    columns = head("load", "other", "this", "this / other", "half of the turns between", "by part, other → this")
    return [title, *columns, *(_row(other, ours, name) for name in other.used)]


def _row(other: Side, ours: Side, name: str) -> str:
    before, after = other.sums(name), ours.sums(name)
    ratios = sorted(mine / its for mine, its in zip(after, before, strict=True))
    return row(
        name,
        number(median(before)),
        number(median(after)),
        f"{median(ratios):.3f}",
        f"{ratios[len(ratios) // 4]:.2f}-{ratios[(3 * len(ratios)) // 4]:.2f}",
        ", ".join(_by_part(other, ours, name)),
    )


def _by_part(other: Side, ours: Side, name: str) -> Iterator[str]:
    for part in sorted(other.used[name][0].keys() | ours.used[name][0].keys()):
        before, after = other.median(name, part), ours.median(name, part)
        if max(before, after) >= _SHOWN * sum(ours.used[name][0].values()):
            yield f"{part} {number(before)} → {number(after)}"


@contextlib.contextmanager
def _running(checkout: Path) -> Iterator[Side]:
    """Run the product of a checkout, by the code of that checkout."""
    if not (checkout / "scripts" / "benchmark").is_dir():
        raise BenchmarkError(f"{checkout} is no checkout of this project")
    python = checkout / ".venv" / "bin" / "python"
    holder = Path(__file__).with_name("holder.py").read_text()
    with subprocess.Popen(
        [str(python) if python.exists() else sys.executable, "-P", "-c", holder],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            said = _answer(process)
            yield Side(process, Target(**said["target"]), said["roots"])
        finally:
            # It stops its servers when nothing more can come.
            assert process.stdin is not None  # noqa: S101 it was opened as a pipe
            process.stdin.close()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None  # noqa: S101 it was opened as a pipe
    line = process.stdout.readline()
    if not line:
        raise BenchmarkError("a version did not start; its messages are above")
    said: dict[str, Any] = json.loads(line)
    return said
