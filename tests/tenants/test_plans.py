"""The plans, and what overrides do to them."""

from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tenants import plans

PLANS = st.sampled_from(sorted(plans.PLANS))
OVERRIDES = st.dictionaries(st.sampled_from(plans.NAMES), st.integers(min_value=-1, max_value=10**6))
UNLIMITED_NAMES = {"requests_per_second", "burst", "tasks_per_day", "tasks_per_month"}


def test_free_plan_is_as_sold() -> None:
    free = plans.effective("free", {})
    assert (free.requests_per_second, free.burst, free.running, free.backlog) == (10, 20, 2, 1_000)
    assert (free.tasks_per_day, free.weight) == (1_000, 1)


def test_pro_plan_is_as_sold() -> None:
    pro = plans.effective("pro", {})
    assert (pro.requests_per_second, pro.running, pro.backlog, pro.tasks_per_day) == (100, 20, 100_000, 100_000)


def test_enterprise_has_no_rate_and_no_quota() -> None:
    enterprise = asdict(plans.effective("enterprise", {}))
    assert {name for name, value in enterprise.items() if value == plans.UNLIMITED} == UNLIMITED_NAMES


@given(PLANS, OVERRIDES)
def test_override_wins_and_the_plan_fills_the_rest(plan: str, overrides: dict[str, int]) -> None:
    expected = {**asdict(plans.PLANS[plan]), **overrides}
    expected["event_hours"] = min(expected["event_hours"], 24 * expected["retention_days"])
    assert asdict(plans.effective(plan, overrides)) == expected


def test_events_are_never_kept_longer_than_their_tasks() -> None:
    assert [plans.PLANS[plan].event_hours for plan in ("free", "pro", "enterprise")] == [24, 168, 720]
    assert plans.effective("enterprise", {"retention_days": 2}).event_hours == 48
    assert plans.effective("enterprise", {"event_hours": 87_600}).event_hours == 90 * 24
    assert plans.effective("enterprise", {"event_hours": 0}).event_hours == 0


def test_override_of_a_limit_that_no_longer_exists_is_passed_over() -> None:
    assert plans.effective("free", {"gone": 1}) == plans.PLANS["free"]


def test_every_limit_of_every_plan_would_be_a_lawful_override() -> None:
    for limits in plans.PLANS.values():
        assert [plans.validation_error(name, value) for name, value in asdict(limits).items()] == [None] * len(
            plans.NAMES
        )


@pytest.mark.parametrize("name", plans.NAMES)
def test_only_rates_and_quotas_may_be_unlimited(name: str) -> None:
    assert (plans.validation_error(name, plans.UNLIMITED) is None) == (name in UNLIMITED_NAMES)


@pytest.mark.parametrize("name", plans.NAMES)
def test_override_may_be_removed(name: str) -> None:
    assert plans.validation_error(name, None) is None


@given(st.sampled_from(plans.NAMES), st.integers(max_value=-2) | st.integers(min_value=2**63))
def test_value_out_of_bounds_is_refused_with_the_bounds(name: str, value: int) -> None:
    assert "from" in (plans.validation_error(name, value) or "")


@pytest.mark.parametrize("value", [1, None])
def test_unknown_limit_is_refused_with_the_names(value: int | None) -> None:
    assert "tasks_per_day" in (plans.validation_error("speed", value) or "")
