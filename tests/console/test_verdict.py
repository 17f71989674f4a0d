"""The verdict of the overview."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.console import verdict
from app.console.verdict import Facts

WELL = Facts(
    used={"running": 1, "backlog": 0, "tasks_per_day": 10, "tasks_per_month": 10},
    limits={"running": 2, "backlog": 1_000, "tasks_per_day": 1_000, "tasks_per_month": None},
    paused_by=[],
    failed=0,
    succeeded=999,
    waiting_reason=None,
    now=datetime(2026, 11, 30, tzinfo=UTC),
)


def _judge(facts: Facts) -> tuple[str, list[str]]:
    found = verdict.judge(facts, may_write=True)
    return found.level, [cause.title for cause in found.causes]


def test_where_nothing_is_wrong_all_is_well():
    assert _judge(WELL) == ("good", [])


@pytest.mark.parametrize(
    ("changes", "level", "title"),
    [
        ({"paused_by": ["operator"]}, "bad", "The operator has paused your queue"),
        ({"paused_by": ["tenant"]}, "warn", "Your queue is paused"),
        ({"waiting_reason": "NO_WORKER"}, "bad", "No worker is running"),
        (
            {"used": WELL.used | {"running": 2, "backlog": 1_500}},
            "bad",
            "You use all 2 of your concurrent tasks, and 1,500 wait",
        ),
        ({"used": WELL.used | {"tasks_per_day": 800}}, "warn", "80 % of the limit of 1,000 tasks of today is used"),
        ({"used": WELL.used | {"tasks_per_day": 1_000}}, "bad", "The limit of 1,000 tasks of today is reached"),
        ({"failed": 1}, "warn", "1 task failed in the last 24 hours (0.1 %)"),
        ({"failed": 1_000}, "bad", "1,000 tasks failed in the last 24 hours (50 %)"),
        ({"failed": 9}, "warn", "9 tasks failed in the last 24 hours (0.89 %)"),
    ],
)
def test_each_cause_is_named_with_what_to_do(changes: dict[str, object], level: str, title: str):
    found = verdict.judge(replace(WELL, **changes), may_write=True)  # type: ignore[arg-type]
    assert (found.level, title in [cause.title for cause in found.causes]) == (level, True)
    assert all(cause.advice.endswith(".") for cause in found.causes)


def test_an_unlimited_quota_is_never_near():
    assert _judge(replace(WELL, used=WELL.used | {"tasks_per_month": 10**9})) == ("good", [])


def test_only_who_may_is_offered_to_resume():
    facts = replace(WELL, paused_by=["tenant"])
    assert [verdict.judge(facts, may_write=may).causes[0].resumes_queue for may in (True, False)] == [True, False]
