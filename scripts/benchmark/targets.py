"""The targets, and whether a run has reached them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scripts.benchmark import percentiles
from scripts.benchmark.rounds import EMPTY, GATE, NAIVE, OURS, Run

LATENCY_P50_MS = 15.0
IDLE_PSS_MB = 450.0
IDLE_CORE_PERCENT = 3.0
SUBMIT_TIMES_NAIVE = 4.0
GATE_CPU_MS = 0.25
GENERATOR_PERCENT = 50.0
"""Far from its limit: what is measured is the server's."""
_MANY = 64


@dataclass(frozen=True)
class Verdict:
    """A target and what was seen."""

    wanted: str
    seen: str
    is_met: bool

    @property
    def word(self) -> str:
        """Say it."""
        return "met" if self.is_met else "**missed**"


def verdicts(run: Run) -> Iterator[Verdict]:
    """Judge the medians."""
    yield _at_most(run.figures(OURS, "latency.p50"), LATENCY_P50_MS, "idle latency p50, ms")
    yield _at_most(run.figures(OURS, "memory.idle"), IDLE_PSS_MB, "idle stack, MB PSS")
    yield _at_most(run.figures(OURS, "idle"), IDLE_CORE_PERCENT, "idle stack, % of one core")
    shares = [
        100 * share for number in run.plan.connections for share in run.figures(EMPTY, f"submit.{number}.own_share")
    ]
    yield _at_most([max(shares)], GENERATOR_PERCENT, "the load generator's own CPU at the empty route, % of one core")
    most = max(run.plan.connections)
    gate = run.figures(GATE, f"gate.submit.{most}.cpu")
    yield _at_most(gate, GATE_CPU_MS, "authentication and admission of a limited tenant, CPU ms a request", digits=2)
    if _MANY in run.plan.connections:
        name = f"submit.{_MANY}.rate"
        times = percentiles.median(run.figures(OURS, name)) / percentiles.median(run.figures(NAIVE, name))
        yield _at_least(times, SUBMIT_TIMES_NAIVE, f"submits at {_MANY} connections, times the naive app's")


def _at_most(figures: Sequence[float], bound: float, what: str, *, digits: int = 1) -> Verdict:
    seen = percentiles.median(figures)
    return Verdict(f"{what} ≤ {bound:g}", f"{seen:.{digits}f}", seen <= bound)


def _at_least(seen: float, bound: float, what: str) -> Verdict:
    return Verdict(f"{what} ≥ {bound:g}", f"{seen:.1f}", seen >= bound)
