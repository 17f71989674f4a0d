"""How much a run measures, and of what: the counts, and what the command line says of them."""

import argparse
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from scripts.benchmark import names, peers


@dataclass(frozen=True)
class TenantsPlan:
    """A task of each tenant in turn, twice; then at an even rate; then submits alone."""

    tenants: int = 10_000
    connections: int = 16
    rate: int = 200
    """Tasks a second, whatever became of those before."""
    rate_seconds: float = 30.0
    submit_connections: int = 64


@dataclass(frozen=True)
class NoisyPlan:
    """A light tenant beside one whose tasks wait in a long line."""

    waiting: int = 100_000
    milliseconds: float = 20.0
    """Of each of these."""
    rate: int = 10
    """Tasks a second of the light tenant's: they do nothing."""
    seconds: float = 30.0
    """Short enough that workers of either pool do not get through the line."""
    alone_seconds: float = 10.0
    """First the same without the other tenant."""
    warm_seconds: float = 3.0
    """Of the line, before its neighbour comes."""


@dataclass(frozen=True)
class WeightsPlan:
    """Three tenants with more work than two slots can do."""

    weights: tuple[int, ...] = (1, 2, 4)
    milliseconds: tuple[float, ...] = (20.0, 100.0, 200.0)
    """Of each tenant's tasks."""
    slots: int = 2
    seconds: float = 60.0
    warm_seconds: float = 5.0


@dataclass(frozen=True)
class FloodsPlan:
    """Each flood for so long, after a look at what the other tenant waits without it."""

    seconds: float = 6.0
    before_seconds: float = 2.0
    names: tuple[str, ...] = ()
    """Those whose name begins so; empty: all of them."""


@dataclass(frozen=True)
class DeliveriesPlan:
    """Events to a receiver that answers at once."""

    events: int = 5_000
    """For each kind of destination."""
    warm_events: int = 500
    """Before, uncounted."""


@dataclass(frozen=True)
class SoakPlan:
    """Everything at once, far from the limit, for long."""

    seconds: float = 600.0
    warm_seconds: float = 30.0
    """Of the same load, before memory is read for the first time: what is imported and cached once is no growth."""
    rate: int = 40
    """Operations a second."""
    connections: int = 16
    idle_seconds: float = 20.0


@dataclass(frozen=True)
class Plan:
    """The counts of a run."""

    rounds: int = 3
    contenders: tuple[str, ...] = names.CORE
    """What is measured, by name; ``peers`` come to it."""
    pools: tuple[str, ...] = names.POOLS
    """The workers in the scenarios."""
    connections: tuple[int, ...] = (1, 16, 64)
    submit_seconds: float = 4.0
    """At each number of connections."""
    warm_seconds: float = 1.0
    """Before each of these, uncounted."""
    batch_tasks: int = 100
    """In each batch; batches are sent for ``submit_seconds`` too."""
    batch_connections: int = 4
    latency_tasks: int = 200
    end_to_end_tasks: int = 5000
    end_to_end_connections: int = 16
    idle_seconds: float = 20.0
    settle_seconds: float = 0.5
    """After each measurement: what was put off until after the answer belongs to it, too."""
    peers: tuple[str, ...] = ()
    """Other task queues to measure, by name."""
    tenants: TenantsPlan = field(default_factory=TenantsPlan)
    noisy: NoisyPlan = field(default_factory=NoisyPlan)
    weights: WeightsPlan = field(default_factory=WeightsPlan)
    soak: SoakPlan = field(default_factory=SoakPlan)
    floods: FloodsPlan = field(default_factory=FloodsPlan)
    deliveries: DeliveriesPlan = field(default_factory=DeliveriesPlan)


QUICK = Plan(
    1,
    (*names.CORE, *names.SCENARIOS),
    submit_seconds=1.5,
    warm_seconds=0.5,
    latency_tasks=50,
    end_to_end_tasks=1000,
    idle_seconds=5.0,
    tenants=TenantsPlan(300, rate_seconds=4.0),
    noisy=NoisyPlan(10_000, seconds=6.0, alone_seconds=3.0, warm_seconds=1.0),
    weights=WeightsPlan(seconds=10.0, warm_seconds=2.0),
    soak=SoakPlan(10.0, warm_seconds=5.0, idle_seconds=2.0),
    floods=FloodsPlan(2.0, before_seconds=1.0),
    deliveries=DeliveriesPlan(1_000, warm_events=100),
)


@dataclass(frozen=True)
class Wish:
    """What the command line asks for."""

    plan: Plan
    figures: Path | None
    """Where the figures of every round go, as JSON."""
    plots: tuple[Path, ...]
    """Such files to be drawn, and nothing measured."""
    other_checkout: Path | None = None
    """The version to compare this one with, instead of a run."""
    turns: int | None = None
    """Of such a comparison; None: as many as it does by itself."""


def parse(arguments: list[str]) -> Wish:
    """Read the arguments; a wrong one ends the process."""
    parser = _parser()
    values = parser.parse_args(arguments)
    if values.json and not os.access(values.json.absolute().parent, os.W_OK):
        # Before minutes are spent.
        parser.error(f"{values.json} cannot be written")
    return Wish(_plan(values), values.json, tuple(values.plots or ()), values.against, values.rounds)


def _plan(values: argparse.Namespace) -> Plan:
    plan = QUICK if values.quick else Plan()
    chosen = values.only or (plan.contenders, tuple(peers.ALL) if values.peers else ())
    if values.full:
        chosen = (*names.CORE, *names.SCENARIOS), tuple(peers.ALL)
    soak = replace(plan.soak, seconds=values.soak_seconds or plan.soak.seconds)
    weights = replace(plan.weights, seconds=values.weights_seconds or plan.weights.seconds)
    floods = replace(plan.floods, names=tuple(values.floods.split(",")) if values.floods else ())
    return replace(
        plan,
        rounds=values.rounds or plan.rounds,
        contenders=chosen[0],
        peers=chosen[1],
        soak=soak,
        weights=weights,
        floods=floods,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure this version against an empty route and a naive app."
    )
    what = parser.add_mutually_exclusive_group()
    others = ", ".join(peers.ALL)
    what.add_argument(
        "--peers", action="store_true", help=f"measure {others} as well; makes .venv-bench for them the first time"
    )
    what.add_argument("--full", action="store_true", help=f"the peers and {', '.join(names.SCENARIOS)} as well")
    what.add_argument("--only", type=_chosen, metavar="NAMES", help=f"these alone: {', '.join(_known())}")
    what.add_argument(
        "--plots",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="draw docs/benchmarks/*.svg from such files, measure nothing",
    )
    what.add_argument(
        "--depth", action="store_true", help="instead: an empty database against 10 million rows [--rows N]"
    )
    what.add_argument(
        "--against",
        type=Path,
        metavar="DIR",
        help="instead: compare CPU with another checkout [--rounds N]",
    )
    parser.add_argument("--rounds", type=_positive, metavar="N", help="interleaved rounds (default: 3, quick: 1)")
    parser.add_argument(
        "--quick", action="store_true", help="everything but the peers in small: to see that it works, not for figures"
    )
    parser.add_argument("--soak-seconds", type=_positive, metavar="N", help="length of the soak (default: 600)")
    parser.add_argument("--weights-seconds", type=_positive, metavar="N", help="length of the weights (default: 60)")
    parser.add_argument("--floods", metavar="NAMES", help="only the floods whose names begin so (default: all)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round")
    return parser


def _known() -> tuple[str, ...]:
    return "core", *names.CORE, *names.SCENARIOS, *peers.ALL


def _chosen(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split names, in which ``core`` stands for several, into contenders and peers."""
    wanted = [name for part in text.split(",") for name in (names.CORE if part == "core" else (part,))]
    if unknown := set(wanted) - {*_known()}:
        message = f"there is no {', '.join(sorted(unknown))}; there are {', '.join(_known())}"
        raise argparse.ArgumentTypeError(message)
    ours = tuple(name for name in (*names.CORE, *names.SCENARIOS) if name in wanted)
    return ours, tuple(name for name in peers.ALL if name in wanted)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = "at least 1"
        raise argparse.ArgumentTypeError(message)
    return number
