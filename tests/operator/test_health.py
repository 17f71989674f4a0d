"""The verdict on the whole service."""

from dataclasses import replace

import pytest

from app.operator import health
from app.operator.health import ServiceFacts

WELL = ServiceFacts(
    reasons=[], running=1, waiting=0, wait_for_workers=None, lost_workers=0, paused=0, failing_endpoints=0, has_webhooks=True,
    delivery_lag=None,
)  # fmt: skip


def test_a_service_without_a_cause_is_well():
    assert health.judge(WELL) == health.Verdict("good", "All is well", [])
    # What is due later is not late, and a queue that moves is what queues are for.
    later = replace(WELL, delivery_lag=-30.0, wait_for_workers=-30.0)
    assert health.judge(later).level == "good"
    assert health.judge(replace(WELL, waiting=900, wait_for_workers=59.0)).level == "good"


@pytest.mark.parametrize(
    ("change", "level", "link"),
    [
        ({"reasons": ["no dispatcher leads: start one"]}, "bad", "/processes"),
        ({"has_webhooks": False}, "bad", "/processes"),
        ({"delivery_lag": 61.0}, "warn", "/processes"),
        ({"lost_workers": 2}, "warn", "/workers"),
        ({"wait_for_workers": 200.0}, "warn", "/queues"),
        ({"paused": 1}, "warn", "/queues"),
        ({"failing_endpoints": 3}, "warn", "/endpoints"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else "",
)
def test_each_cause_says_what_to_do_and_where(change: dict[str, object], level: str, link: str):
    found = health.judge(replace(WELL, **change))
    assert [(cause.level, cause.link) for cause in found.causes] == [(level, link)]
    assert found.level == level


def test_what_stops_work_comes_first():
    found = health.judge(replace(WELL, paused=2, has_webhooks=False))
    assert [cause.level for cause in found.causes] == ["bad", "warn"]
    assert found.level == "bad"
