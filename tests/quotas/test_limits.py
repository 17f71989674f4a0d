"""The rate and the header fields, as pure functions."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.quotas import limits
from app.quotas.limits import Rate, Remaining
from app.tenants import plans
from app.tenants.plans import PLANS, UNLIMITED

RATES = st.builds(
    lambda per_second, burst: (
        per_second,
        limits.rate_of(replace(PLANS["free"], requests_per_second=per_second, burst=burst)),
    ),
    st.integers(1, 5_000),
    st.integers(1, 500),
)
GAPS = st.lists(st.integers(0, 300_000), min_size=1, max_size=200)


def _run(rate: Rate, moments: list[int]) -> list[int]:
    """Return the moments of the requests that were allowed."""
    arrival, allowed = 0, []
    for now in moments:
        said = limits.ask(rate, arrival, now)
        arrival = now + said.ahead
        if said.is_allowed:
            allowed.append(now)
    return allowed


def _moments(gaps: list[int], start: int = 10**15) -> list[int]:
    moments = [start]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    return moments


@given(RATES, GAPS)
def test_no_window_holds_more_than_the_burst_and_the_rate(named: tuple[int, Rate], gaps: list[int]):
    per_second, rate = named
    allowed = _run(rate, _moments(gaps))
    for first, since in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= rate.burst + per_second * (allowed[last] - since) / 1_000_000


@given(RATES)
def test_a_full_bucket_gives_the_whole_burst_at_once_and_then_no_more(named: tuple[int, Rate]):
    _, rate = named
    assert len(_run(rate, [10**15] * (rate.burst + 5))) == rate.burst


@given(RATES, GAPS)
def test_who_waits_as_long_as_he_is_told_is_allowed_and_a_moment_sooner_is_not(
    named: tuple[int, Rate], gaps: list[int]
):
    _, rate = named
    arrival = 0
    for now in _moments(gaps):
        said = limits.ask(rate, arrival, now)
        arrival = now + said.ahead
        if not said.is_allowed:
            assert said.left == 0
            assert limits.ask(rate, arrival, now + said.wait).is_allowed
            assert not limits.ask(rate, arrival, now + said.wait - 1).is_allowed


@given(RATES, st.integers(0, 10**15))
def test_a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_bucket(named: tuple[int, Rate], back: int):
    _, rate = named
    arrival = _moments([])[0] + limits.ask(rate, 0, 10**15).ahead
    now = 10**15 - back
    said = limits.ask(rate, arrival, now)
    assert said.wait <= rate.tolerance
    assert limits.ask(rate, now + said.ahead, now + rate.tolerance).is_allowed


@given(RATES, GAPS)
def test_as_many_as_are_left_may_follow_at_once(named: tuple[int, Rate], gaps: list[int]):
    _, rate = named
    moments = _moments(gaps)
    arrival = 0
    for now in moments:
        said = limits.ask(rate, arrival, now)
        arrival = now + said.ahead
    for following in range(said.left + 1):
        next_one = limits.ask(rate, arrival, moments[-1])
        arrival = moments[-1] + next_one.ahead
        assert next_one.is_allowed == (following < said.left)


@pytest.mark.parametrize("name", ["requests_per_second", "burst"])
def test_an_unlimited_rate_or_burst_is_no_rate(name: str):
    assert limits.rate_of(replace(PLANS["free"], **{name: UNLIMITED})) is None


def test_the_policies_of_a_plan_are_named_with_their_windows():
    assert limits.call_policies(PLANS["free"]) == '"rate";q=20;w=2'
    assert limits.submit_policies(PLANS["free"]) == (
        '"rate";q=20;w=2, "day";q=1000;w=86400, "month";q=31000;w=2678400, "backlog";q=1000'
    )


def test_unlimited_policies_are_not_named():
    assert limits.call_policies(PLANS["enterprise"]) == ""
    assert limits.submit_policies(PLANS["enterprise"]) == '"backlog";q=1000000'
    assert limits.fields("", []) == {}


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_a_rate_policy_never_promises_more_than_the_rate(per_second: int, burst: int):
    named = limits.call_policies(replace(PLANS["free"], requests_per_second=per_second, burst=burst))
    quota, window = (int(part.partition("=")[2]) for part in named.split(";")[1:])
    assert window > 0
    assert quota <= per_second * window


def test_what_is_left_is_an_item_for_each_policy():
    said = limits.fields('"rate";q=1;w=1', [Remaining("rate", 3, 1), Remaining("backlog", 7, None)])
    assert said["RateLimit"] == '"rate";r=3;t=1, "backlog";r=7'


def test_an_override_of_nothing_is_the_plan_itself():
    assert plans.effective("free", {}) is PLANS["free"]
