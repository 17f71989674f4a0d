"""How many requests one host gets at once, and when those that wait come again."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http_requests import limits
from app.http_requests.limits import HostConcurrency, Spread


async def test_a_host_has_four_places_and_no_other_host_needs_one_of_them():
    hosts = HostConcurrency(max_waiting=0)
    assert [await hosts.take("a") for _ in range(5)] == [True] * 4 + [False]
    assert await hosts.take("b")
    hosts.give_back("a", 1.0)
    assert [await hosts.take("a"), await hosts.take("a")] == [True, False]


async def test_what_a_host_took_before_tells_when_a_place_is_free():
    hosts = HostConcurrency(max_waiting=0)
    assert hosts.interval("a") == 0.25
    for _ in range(50):
        await hosts.take("a")
        hosts.give_back("a", 8.0)
    assert hosts.interval("a") == pytest.approx(2.0)
    await hosts.take("a")
    hosts.give_back("a", None)
    assert hosts.interval("a") == pytest.approx(2.0)


async def _fill(hosts: HostConcurrency, host: str, seconds: float) -> None:
    """Let a host have taken so long before, and have no place free."""
    await hosts.take(host)
    hosts.give_back(host, seconds)
    for _ in range(limits.MAX_PER_HOST):
        assert await hosts.take(host)


async def test_a_request_waits_for_a_place_that_is_soon_free_in_the_order_of_coming():
    hosts = HostConcurrency(max_waiting=99)
    await _fill(hosts, "quick", 0.01)
    order = []

    async def take(number: int) -> None:
        assert await hosts.take("quick")
        order.append(number)

    waiting = [asyncio.create_task(take(number)) for number in range(3)]
    await asyncio.sleep(0)
    for _ in range(3):
        hosts.give_back("quick", 0.01)
    await asyncio.gather(*waiting)
    assert order == [0, 1, 2]
    assert hosts._running["quick"] == limits.MAX_PER_HOST
    assert not hosts._waiting


async def test_nobody_waits_for_a_slow_host_or_beyond_the_bounds():
    hosts = HostConcurrency(max_waiting=2)
    await _fill(hosts, "slow", 30.0)
    assert not await hosts.take("slow")
    for host in ("a", "b", "c"):
        await _fill(hosts, host, 0.01)
    waiting = [asyncio.create_task(hosts.take(host)) for host in ("a", "b")]
    await asyncio.sleep(0)
    assert not await hosts.take("c")
    for host in ("a", "b"):
        hosts.give_back(host, 0.01)
    assert await asyncio.gather(*waiting) == [True, True]


async def test_who_waits_in_vain_or_is_cancelled_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_WAIT", 0.05)
    hosts = HostConcurrency(max_waiting=99)
    await _fill(hosts, "a", 0.01)
    assert not await hosts.take("a")
    cancelled = asyncio.create_task(hosts.take("a"))
    await asyncio.sleep(0)
    cancelled.cancel()
    # Cancelled just when it gets the place: then the place is free again.
    late = asyncio.create_task(hosts.take("a"))
    await asyncio.sleep(0)
    hosts.give_back("a", 0.01)
    late.cancel()
    await asyncio.gather(cancelled, late, return_exceptions=True)
    assert not hosts._waiting
    assert hosts._running["a"] == limits.MAX_PER_HOST - 1


async def test_a_place_is_not_lost_to_one_whose_time_ends_at_the_same_moment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "MAX_WAIT", 0.01)
    hosts = HostConcurrency(max_waiting=99)
    await _fill(hosts, "a", 0.001)
    late = asyncio.create_task(hosts.take("a"))
    await asyncio.sleep(0)
    # The process stood still meanwhile: its loop finds both timers due in the same turn.
    asyncio.get_running_loop().call_later(0.02, hosts.give_back, "a", 0.001)
    time.sleep(0.05)  # noqa: ASYNC251 it is what is tested
    assert not await late
    assert not hosts._waiting
    assert hosts._running["a"] == limits.MAX_PER_HOST - 1


def test_those_that_wait_come_one_after_the_other():
    now = 100.0
    spread = Spread(lambda: now)
    assert [spread.delay("a", 1.0) for _ in range(4)] == [1, 2, 3, 4]
    assert spread.delay("b", 1.0) == 1
    now = 103.5
    assert spread.delay("a", 1.0) == 1.5


def test_nobody_waits_beyond_the_bound_or_comes_back_at_once():
    spread = Spread(lambda: 0.0)
    delays = [spread.delay("a", 60.0) for _ in range(9)]
    assert delays[-1] == limits.MAX_DELAY
    assert spread.delay("b", 0.001) == limits.MIN_DELAY


async def test_any_number_of_hosts_and_tenants_needs_bounded_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(limits, "_MAX_KEYS", 10)
    hosts, spread = HostConcurrency(max_waiting=9), Spread(lambda: 0.0)
    for number in range(100):
        await hosts.take(str(number))
        hosts.give_back(str(number), 1.0)
        spread.delay(number, 1.0)
    assert len(hosts._seconds) == len(spread._next) == 10
    assert not hosts._running


@given(st.lists(st.tuples(st.floats(0, 10), st.floats(0.001, 400)), max_size=50))
def test_a_delay_is_always_within_its_bounds(steps: list[tuple[float, float]]):
    now = 0.0
    spread = Spread(lambda: now)
    for pause, interval in steps:
        now += pause
        assert limits.MIN_DELAY - 1e-9 <= spread.delay("a", interval) <= limits.MAX_DELAY + 1e-9
