"""Judge whether the service does well, and say what the operator can do (pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.console import rendering
from app.console.verdict import Cause, Level, Verdict

_LATE_SECONDS: Final = 60.0
"""Seconds after which deliveries that are due count as late."""
_LONG_WAIT_SECONDS: Final = 60.0
_TITLES: Final[dict[Level, str]] = {
    "good": "All is well",
    "warn": "Something needs your attention",
    "bad": "The service does not work as it should",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """The numbers and states from which the verdict is made."""

    reasons: Sequence[str]
    """The reasons of ``/readyz``."""
    running: int
    waiting: int
    wait_for_workers: float | None
    """Seconds since the first task is due of those that neither a limit of their tenant nor a pause holds back."""
    lost_workers: int
    """Workers whose heartbeats have stopped without a word."""
    paused: int
    """Queues that an operator has paused."""
    failing_endpoints: int
    has_webhooks: bool
    delivery_lag: float | None
    """Seconds since the first waiting delivery is due."""


def judge(facts: ServiceFacts) -> Verdict:
    """Return the verdict. The causes that stop work come first."""
    causes = [
        *(Cause("bad", reason[:1].upper() + reason[1:], "", "/processes", "Processes") for reason in facts.reasons),
        *_deliveries(facts), *_workers(facts), *_tenants(facts),
    ]  # fmt: skip
    causes.sort(key=lambda cause: cause.level != "bad")
    level = causes[0].level if causes else "good"
    return Verdict(level, _TITLES[level], causes)


def _deliveries(facts: ServiceFacts) -> list[Cause]:
    link = "/processes", "Processes"
    if not facts.has_webhooks:
        advice = "Events are kept, and delivered when one runs: start python -m app.webhooks."
        return [Cause("bad", "No process delivers webhooks", advice, *link)]
    if (facts.delivery_lag or 0) > _LATE_SECONDS:
        advice = "Start more processes of webhooks, or look at their logs."
        return [Cause("warn", "Deliveries of webhooks are late", advice, *link)]
    return []


def _workers(facts: ServiceFacts) -> list[Cause]:
    causes = []
    if facts.lost_workers:
        workers = "A worker has" if facts.lost_workers == 1 else f"{facts.lost_workers} workers have"
        advice = "What it ran is given to others. Look at its log, and start it again."
        causes.append(Cause("warn", f"{workers} stopped without a word", advice, "/workers", "Workers"))
    if (facts.wait_for_workers or 0) > _LONG_WAIT_SECONDS:
        waited = rendering.duration(facts.wait_for_workers)
        advice = "Neither a limit of its tenant nor a pause holds it back. Start more workers of its pool."
        causes.append(Cause("warn", f"A task has waited for a worker for {waited}", advice, "/queues", "Queues"))
    return causes


def _tenants(facts: ServiceFacts) -> list[Cause]:
    causes = []
    if facts.paused:
        queues = "A queue is" if facts.paused == 1 else f"{facts.paused} queues are"
        advice = "An operator has done it. Nothing of it starts until an operator resumes it."
        causes.append(Cause("warn", f"{queues} paused", advice, "/queues", "Queues"))
    if facts.failing_endpoints:
        many = facts.failing_endpoints
        title = "A webhook endpoint fails" if many == 1 else f"{many} webhook endpoints fail"
        advice = "Their tenants see why. One that fails for five days is disabled by itself."
        causes.append(Cause("warn", title, advice, "/endpoints", "Endpoints"))
    return causes
