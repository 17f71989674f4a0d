"""The targets, and whether a run has reached them; what was not measured is not judged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from scripts.benchmark import percentiles, tables
from scripts.benchmark.names import (
    ASYNCIO,
    DELIVERIES,
    DESTINATIONS,
    EMPTY,
    FLOODS,
    GATE,
    NAIVE,
    NOISY,
    OURS,
    OURS_ASYNCIO,
    POOLS,
    SOAK,
    TENANTS,
    WEIGHTS,
)
from scripts.benchmark.runs import Figures, Run

Read: TypeAlias = Callable[[Run], Sequence[float]]
"""Reads a figure of each round from a run; none where it was not measured."""


@dataclass(frozen=True)
class Target:
    """What a figure must be at least, and what would be better still."""

    what: str
    read: Read
    floor: float
    stretch: float | None = None
    is_ceiling: bool = True
    """Whether less is better."""


@dataclass(frozen=True)
class Verdict:
    """A target and what was seen, as cells of a table."""

    what: str
    floor: str
    stretch: str
    seen: str
    is_met: bool
    is_stretched: bool

    @property
    def word(self) -> str:
        """Say it."""
        return "met, stretch too" if self.is_stretched else "met" if self.is_met else "**missed**"


def verdicts(run: Run) -> Iterator[Verdict]:
    """Judge the medians of what was measured."""
    return (_judge(target, seen) for target in TARGETS if (seen := target.read(run)))


def _judge(target: Target, figures: Sequence[float]) -> Verdict:
    seen = percentiles.median(figures)
    sign = "≤" if target.is_ceiling else "≥"

    def holds(bound: float | None) -> bool:
        return bound is not None and (seen <= bound if target.is_ceiling else seen >= bound)

    stretch = "" if target.stretch is None else f"{sign} {target.stretch:,g}"
    return Verdict(
        target.what,
        f"{sign} {target.floor:,g}",
        stretch,
        tables.number(seen),
        holds(target.floor),
        holds(target.floor) and holds(target.stretch),
    )


def _figure(app: str, name: str, factor: float = 1) -> Read:
    return lambda run: [figure * factor for figure in run.figures(app, name)]


def _times(app: str, name: str) -> Read:
    """Read how many times another's figure ours is, of the medians."""

    def read(run: Run) -> list[float]:
        mine, theirs = run.figures(OURS, name), run.figures(app, name)
        return [percentiles.median(mine) / percentiles.median(theirs)] if mine and theirs else []

    return read


def _times_the_best_peer(name: str) -> Read:
    def read(run: Run) -> list[float]:
        return (
            [min(ratios)] if (ratios := [each for peer in run.plan.peers for each in _times(peer, name)(run)]) else []
        )

    return read


def _generators_share(run: Run) -> list[float]:
    # Where it is busiest: the server that does the least.
    shares = [each for number in run.plan.connections for each in run.figures(EMPTY, f"submit.{number}.own_share")]
    return [100 * max(shares)] if shares else []


def _gate(run: Run) -> list[float]:
    return run.figures(GATE, f"gate.submit.{max(run.plan.connections)}.cpu")


def _beside_a_line(pool: str) -> Read:
    """Read the light tenant's wait, unless the other's line had ended before the measure."""

    def read(run: Run) -> list[float]:
        return run.figures(NOISY, f"{pool}.beside.p95") if all(run.figures(NOISY, f"{pool}.left")) else []

    return read


def soak_growth(run: Run, until: str = "after") -> list[float]:
    """Return by how many percent memory grew in each round's soak, in all or until "half"."""
    before, then = (run.figures(SOAK, f"{when}.memory.idle") for when in ("before", until))
    return [100 * (new / old - 1) for old, new in zip(before, then, strict=True)]


def _floods(figure: str) -> Read:
    """Read the worst figure of all floods, one for each round."""

    def read(run: Run) -> list[float]:
        found = [figures[FLOODS] for figures in run.rounds if FLOODS in figures]
        return [max(value for name, value in figures.items() if name.endswith(f".{figure}")) for figures in found]

    return read


def _delivery_rate(run: Run) -> list[float]:
    """Read the lowest rate of all kinds of destinations."""
    return _of_deliveries(run, lambda figures, kind: figures[f"{kind}.rate"], min)


def _delivery_cpu(run: Run) -> list[float]:
    """Read what the process that delivers and Postgres take together, where it is most."""
    return _of_deliveries(
        run, lambda figures, kind: figures[f"{kind}.cpu.webhooks"] + figures[f"{kind}.cpu.postgres"], max
    )


def _of_deliveries(
    run: Run, read: Callable[[Figures, str], float], worst: Callable[[Sequence[float]], float]
) -> list[float]:
    found = [figures[DELIVERIES] for figures in run.rounds if DELIVERIES in figures]
    return [worst([read(figures, kind) for kind in DESTINATIONS]) for figures in found]


TARGETS: Final = (
    Target("submit, 64 connections, requests/s", _figure(OURS, "submit.64.rate"), 6_000, 10_000, is_ceiling=False),
    Target("submit, 64 connections, CPU ms per 1,000", _figure(OURS, "submit.64.cpu", 1000), 150, 100),
    Target("submit, 64 connections, times the naive app's rate", _times(NAIVE, "submit.64.rate"), 4, is_ceiling=False),
    Target(
        "submit, 64 connections, times the best peer's rate",
        _times_the_best_peer("submit.64.rate"),
        1,
        is_ceiling=False,
    ),
    Target("batch of 100, tasks/s", _figure(OURS, "batch.rate"), 40_000, 80_000, is_ceiling=False),
    Target("batch of 100, CPU ms per 1,000", _figure(OURS, "batch.cpu", 1000), 25),
    Target("end to end, asyncio pool, tasks/s", _figure(OURS_ASYNCIO, "e2e.rate"), 2_000, 2_800, is_ceiling=False),
    Target("end to end, asyncio pool, CPU s per 1,000", _figure(OURS_ASYNCIO, "e2e.cpu"), 0.7, 0.5),
    Target("end to end, prefork 2, tasks/s", _figure(OURS, "e2e.rate"), 1_200, 1_900, is_ceiling=False),
    Target("end to end, prefork 2, CPU s per 1,000", _figure(OURS, "e2e.cpu"), 1.0),
    Target("idle latency p50, ms", _figure(OURS, "latency.p50"), 4.5, 3),
    Target("idle latency p99, ms", _figure(OURS, "latency.p99"), 12, 6),
    Target(
        "10,000 tenants, end to end, asyncio pool, tasks/s",
        _figure(TENANTS, f"{ASYNCIO}.e2e.rate"),
        1_400,
        1_700,
        is_ceiling=False,
    ),
    Target("10,000 tenants, asyncio pool, CPU s per 1,000", _figure(TENANTS, f"{ASYNCIO}.e2e.cpu"), 0.9),
    *(
        Target(f"10,000 tenants at 200 tasks/s, {pool}, wait p99, ms", _figure(TENANTS, f"{pool}.wait.p99"), 50)
        for pool in POOLS
    ),
    *(Target(f"light tenant beside a long line, {pool}, wait p95, ms", _beside_a_line(pool), 60, 30) for pool in POOLS),
    Target("weights 1:2:4, largest deviation of a share, %", _figure(WEIGHTS, "deviation", 100), 10, 5),
    Target("the worst flood, another tenant's status p95, ms", _floods("during"), 25),
    Target("the worst flood, another tenant's calls refused", _floods("refused"), 0),
    Target("the worst flood, memory of the api, MB more", _floods("memory"), 100),
    Target("deliveries to a fast receiver, 1/s", _delivery_rate, 500, is_ceiling=False),
    Target("deliveries, CPU s per 1,000 of webhooks and Postgres", _delivery_cpu, 1.5),
    Target("idle stack, MB PSS", _figure(OURS, "memory.idle"), 350, 260),
    Target("idle stack, % of one core", _figure(OURS, "idle"), 3),
    Target("soak, growth of memory, %", soak_growth, 5),
    Target("authentication and admission of a limited tenant, CPU ms a request", _gate, 0.25),
    # Far from its limit: what is measured is the server's.
    Target("the load generator's own CPU at the empty route, % of one core", _generators_share, 50),
)
