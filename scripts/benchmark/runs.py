"""What a run has found: the figures of every contender in every round."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from scripts.benchmark import names
from scripts.benchmark.plan import Plan

Figures: TypeAlias = dict[str, float]
"""By name: ``submit.64.rate`` (1/s), ``….p99`` (ms), ``….cpu`` (s per 1,000; ``….cpu.api`` of a part), and so on."""


@dataclass
class Run:
    """What a run has found."""

    plan: Plan
    rounds: list[dict[str, Figures]] = field(default_factory=list)
    promises: list[str] = field(default_factory=list)
    """What held in every round."""
    machine: dict[str, str] = field(default_factory=dict)

    @property
    def queues(self) -> tuple[str, ...]:
        """Name the apps that run tasks, of those that were measured: ours first."""
        known = (names.OURS, names.OURS_ASYNCIO, names.NAIVE, *self.plan.peers)
        return tuple(name for name in known if self.has(name))

    def has(self, app: str) -> bool:
        """Tell whether an app, or a scenario, was measured."""
        return any(app in figures for figures in self.rounds)

    def figures(self, app: str, name: str) -> list[float]:
        """Return a figure of an app, one for each round; empty when the app has none of the name."""
        return [figures[app][name] for figures in self.rounds if name in figures.get(app, {})]


Measure: TypeAlias = Callable[[Plan, Run], Figures]
"""Measures one contender or scenario on servers of its own, and notes in the run what held."""
