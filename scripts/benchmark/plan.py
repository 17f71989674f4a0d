"""How much a run measures: ``scripts/bench [--peers] [--rounds N] [--quick] [--json FILE]``."""

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.benchmark import peers


@dataclass(frozen=True)
class Plan:
    """The counts of a run."""

    rounds: int = 3
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


QUICK = Plan(1, submit_seconds=1.5, warm_seconds=0.5, latency_tasks=50, end_to_end_tasks=1000, idle_seconds=5.0)


def parse(arguments: list[str]) -> tuple[Plan, Path | None]:
    """Read the arguments: the plan, and where the figures of every round go as JSON."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description="Measure this version against an empty route and a naive app."
    )
    parser.add_argument("--rounds", type=_positive, metavar="N", help="interleaved rounds (default: 3, quick: 1)")
    parser.add_argument("--quick", action="store_true", help="small counts: to see that it works, not for figures")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of every round")
    parser.add_argument(
        "--peers",
        action="store_true",
        help=f"measure {', '.join(peers.ALL)} as well; makes .venv-bench for them the first time",
    )
    parser.add_argument(
        "--depth", action="store_true", help="instead: an empty database against 10 million rows [--rows N]"
    )
    values = parser.parse_args(arguments)
    if values.json and not os.access(values.json.absolute().parent, os.W_OK):
        # Before minutes are spent.
        parser.error(f"{values.json} cannot be written")
    plan = QUICK if values.quick else Plan()
    names = tuple(peers.ALL) if values.peers else ()
    return replace(plan, rounds=values.rounds or plan.rounds, peers=names), values.json


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        message = "at least 1"
        raise argparse.ArgumentTypeError(message)
    return number
