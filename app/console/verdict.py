"""Judge whether a tenant's tasks do well, and say what to do (pure)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, TypeAlias

Level: TypeAlias = Literal["good", "warn", "bad"]

_NEAR: Final = 0.8
"""The part of a quota from which on the page warns."""
_MANY_FAILURES: Final = 5
_LARGE_SHARE: Final = 0.01
"""So many failures, and such a part of all ends, are bad. Fewer only need attention."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The numbers and states from which the verdict is made."""

    used: Mapping[str, int | None]
    limits: Mapping[str, int | None]
    """By name; None means no limit."""
    paused_by: Sequence[str]
    failed: int
    """Tasks that failed in the last 24 hours."""
    succeeded: int
    """Tasks that succeeded in the same time."""
    waiting_reason: str | None
    """Why the newest waiting task waits, if none runs."""
    now: datetime


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is not as it should be: what is so, and what to do about it."""

    level: Level
    title: str
    advice: str
    link: str | None = None
    """The page to go to, below ``/console``."""
    link_text: str = ""
    resumes_queue: bool = False
    """The cause has a button that resumes the queue."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The worst level of all causes, in one sentence, and the causes."""

    level: Level
    title: str
    causes: Sequence[Cause]


_TITLES: Final[Mapping[Level, str]] = {
    "good": "All is well",
    "warn": "Something needs your attention",
    "bad": "Tasks are not being run as you expect",
}


def judge(facts: Facts, *, may_write: bool) -> Verdict:
    """Return the verdict. The causes that keep tasks from running come first."""
    causes = [*_pauses(facts, may_write=may_write), *_waiting(facts), *_quotas(facts), *_failures(facts)]
    order: tuple[Level, ...] = ("bad", "warn", "good")
    causes.sort(key=lambda cause: order.index(cause.level))
    level = causes[0].level if causes else "good"
    return Verdict(level, _TITLES[level], causes)


def _pauses(facts: Facts, *, may_write: bool) -> list[Cause]:
    causes = []
    if "operator" in facts.paused_by:
        advice = "Running tasks go on, new ones are accepted and wait. Ask the operator when the pause ends."
        causes.append(Cause("bad", "The operator has paused your queue", advice))
    if "tenant" in facts.paused_by:
        advice = "Running tasks go on, new ones are accepted and wait until somebody of your team resumes the queue."
        causes.append(Cause("warn", "Your queue is paused", advice, resumes_queue=may_write))
    return causes


def _waiting(facts: Facts) -> list[Cause]:
    if facts.waiting_reason == "NO_WORKER":
        advice = "The operator's workers are stopped or away. Accepted tasks are safe, and run when a worker is back."
        return [Cause("bad", "No worker is running", advice, "/tasks?status=PENDING", "Waiting tasks")]
    running, limit, backlog = facts.used.get("running") or 0, facts.limits.get("running"), facts.used.get("backlog")
    if limit is not None and running >= limit and backlog:
        title = f"You use all {limit} of your concurrent tasks, and {backlog:,} wait"
        advice = "They start as soon as others end. A larger plan runs more of them at once."
        return [Cause("warn", title, advice, "/usage", "Limits")]
    return []


_QUOTAS: Final = {
    "tasks_per_day": ("tasks of today", "The count starts again at midnight UTC."),
    "tasks_per_month": ("tasks of this month", "The count starts again on the first of the next month (UTC)."),
    "backlog": ("waiting tasks", "Wait until some have run, or cancel some."),
}


def _quotas(facts: Facts) -> list[Cause]:
    causes = []
    for name, (what, advice) in _QUOTAS.items():
        used, limit = facts.used.get(name), facts.limits.get(name)
        if used is None or limit is None or used < _NEAR * limit:
            continue
        if used >= limit:
            causes.append(
                Cause(
                    "bad",
                    f"The limit of {limit:,} {what} is reached",
                    f"New tasks are refused. {advice}",
                    "/usage",
                    "Limits",
                )
            )
        else:
            title = f"{used * 100 // limit} % of the limit of {limit:,} {what} is used"
            causes.append(Cause("warn", title, f"At 100 % new tasks are refused. {advice}", "/usage", "Limits"))
    return causes


def _failures(facts: Facts) -> list[Cause]:
    if not facts.failed:
        return []
    share = facts.failed / (facts.failed + facts.succeeded)
    title = f"{facts.failed:,} task{'s' if facts.failed != 1 else ''} failed in the last 24 hours ({100 * share:.2g} %)"
    level: Level = "bad" if facts.failed >= _MANY_FAILURES and share >= _LARGE_SHARE else "warn"
    return [
        Cause(
            level,
            title,
            "Look at their errors, and retry them when the cause is gone.",
            "/tasks?status=FAILURE&within=24h",
            "Failed tasks",
        )
    ]
