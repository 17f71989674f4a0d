"""A grant whose answer was lost is made again from the ledger; tests/races/test_usage.py counts with many writers."""

import pytest

from app.quotas import usage
from app.quotas.schemas import Demand, Grant, Quota
from app.tenants.plans import PLANS, UNLIMITED


def _ledger(day: int, month: int) -> Grant:
    return Grant(0, None, day, month, 7, 60, 3_600)


def test_a_demand_carries_the_limits_of_the_plan() -> None:
    free = PLANS["free"]
    assert usage.demand(free, 3) == Demand(3, free.tasks_per_day, free.tasks_per_month, free.backlog)


@pytest.mark.parametrize(
    ("day", "month", "count", "refused_by"),
    [
        (5, 5, 2, None),
        (10, 10, 1, "day"),
        (10, 20, 1, "month"),
        (5, 20, 1, "month"),
        (5, 5, 1, "backlog"),
    ],
)
def test_the_lost_grant_names_the_limit_that_is_used_up(
    day: int, month: int, count: int, refused_by: Quota | None
) -> None:
    granted = usage.granted(_ledger(day, month), Demand(2, 10, 20, 100), count)
    assert (granted.granted, granted.refused_by, granted.waiting) == (count, refused_by, 7)


def test_an_unlimited_period_never_refuses() -> None:
    asked = Demand(2, UNLIMITED, UNLIMITED, 100)
    assert usage.granted(_ledger(10**9, 10**9), asked, 1).refused_by == "backlog"
