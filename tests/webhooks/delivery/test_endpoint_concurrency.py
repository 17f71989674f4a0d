"""Places: never too many, and never none for those who have taken none."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.delivery.endpoint_concurrency import (
    MAX_AHEAD,
    MAX_UNRECORDED,
    PER_ENDPOINT,
    PER_TENANT,
    TOTAL,
    EndpointConcurrency,
    EndpointKey,
)

TENANTS = st.integers(0, 40).map(lambda number: UUID(int=number))
LANES = st.tuples(TENANTS, st.sampled_from([f"https://a.example.com/{number}" for number in range(30)]))


SLOW, FAST = 0.5, 0.05
"""Seconds of an answer."""


def _take_all(limits: EndpointConcurrency, tenant: int, endpoints: int) -> int:
    return sum(limits.take((UUID(int=tenant), f"e{number % endpoints}")) for number in range(PER_ENDPOINT * endpoints))


@given(st.lists(st.tuples(st.sampled_from(["take", "end", "fail"]), LANES), max_size=400))
def test_no_bound_is_ever_passed(steps: list[tuple[str, EndpointKey]]):
    limits, held = EndpointConcurrency(total=64), list[EndpointKey]()
    for step, endpoint in steps:
        if step == "take":
            limit = limits.limit(endpoint)
            before = held.count(endpoint)
            if limits.take(endpoint):
                held.append(endpoint)
                assert before < limit
        elif held:
            ended = held.pop(hash(endpoint) % len(held))
            limits.record_result(ended, SLOW, is_keeping_up=step == "end")
            limits.give_back(ended)
        assert limits.free == 64 - len(held) >= 0
        assert all(held.count(one) <= PER_ENDPOINT for one in held)
        assert all([tenant for tenant, _ in held].count(one[0]) <= PER_TENANT for one in held)


@given(st.lists(LANES, max_size=300))
def test_what_is_given_back_is_free_again(wanted: list[EndpointKey]):
    limits = EndpointConcurrency()
    taken = [endpoint for endpoint in wanted if limits.take(endpoint)]
    for endpoint in taken:
        limits.give_back(endpoint)
    assert limits.free == TOTAL
    assert limits.full_tenants() == []


@given(st.integers(1, 55), st.integers(1, 50))
def test_tenants_that_hang_leave_places_for_the_next(hanging: int, endpoints: int):
    limits = EndpointConcurrency()
    for tenant in range(hanging):
        assert _take_all(limits, tenant, endpoints) >= 1
    assert limits.take((UUID(int=999), "e"))


def test_one_endpoint_has_four_places_and_one_tenant_sixteen():
    assert _take_all(EndpointConcurrency(), 1, 1) == PER_ENDPOINT == 4
    assert _take_all(EndpointConcurrency(), 1, 50) == PER_TENANT == 16


def test_an_endpoint_that_is_refilled_leaves_its_tenants_others_half_the_places():
    limits, tenant = EndpointConcurrency(), UUID(int=1)
    refilled = sum(limits.take((tenant, f"e{number}"), most=PER_TENANT // 2) for number in range(50))
    assert refilled == PER_TENANT // 2
    assert limits.take((tenant, "another"))


def test_an_endpoint_that_hangs_leaves_its_tenants_others_their_places():
    limits = EndpointConcurrency()
    while limits.take((UUID(int=1), "hangs")):
        pass
    assert all(limits.take((UUID(int=1), f"well {number}")) for number in range(12))


def test_an_endpoint_narrows_to_one_when_it_fails_and_doubles_back():
    limits, endpoint = EndpointConcurrency(), (UUID(int=1), "e")
    limits.record_result(endpoint, SLOW, is_keeping_up=False)
    seen = [limits.limit(endpoint)]
    for _ in range(3):
        limits.record_result(endpoint, SLOW, is_keeping_up=True)
        seen.append(limits.limit(endpoint))
    assert seen == [1, 2, 4, 4]


def test_what_is_remembered_of_endpoints_is_bounded():
    limits = EndpointConcurrency()
    for number in range(10_001):
        limits.record_result((UUID(int=1), str(number)), SLOW, is_keeping_up=False)
    assert limits.limit((UUID(int=1), "0")) == PER_ENDPOINT
    assert limits.limit((UUID(int=1), "10000")) == 1


def test_more_is_claimed_for_an_endpoint_while_it_answers_fast():
    limits, endpoint = EndpointConcurrency(), (UUID(int=1), "e")
    seen = []
    for seconds in (FAST, FAST, FAST, SLOW, FAST):
        limits.record_result(endpoint, seconds, is_keeping_up=True)
        seen.append(limits.limit(endpoint))
    assert seen == [8, MAX_AHEAD, MAX_AHEAD, PER_ENDPOINT, 8]
    # What is claimed has waited too long.
    limits.end_rush(endpoint)
    assert limits.limit(endpoint) == PER_ENDPOINT
    limits.record_result(endpoint, FAST, is_keeping_up=False)
    limits.end_rush(endpoint)
    assert limits.limit(endpoint) == 1


def test_the_others_of_a_tenant_have_places_beside_an_endpoint_that_answers_fast():
    limits, fast = EndpointConcurrency(), (UUID(int=1), "fast")
    for _ in range(5):
        limits.record_result(fast, FAST, is_keeping_up=True)
    while limits.take(fast):
        pass
    assert all(limits.take((UUID(int=1), f"well {number}")) for number in range(PER_ENDPOINT))


def test_an_endpoint_is_free_once_it_has_answered_and_the_process_once_that_is_recorded():
    limits, endpoint = EndpointConcurrency(total=1), (UUID(int=1), "e")
    assert limits.take(endpoint)
    limits.leave(endpoint)
    assert not limits.take(endpoint)
    limits.end(endpoint)
    assert limits.take(endpoint)


def test_a_tenant_whose_answers_are_not_recorded_leaves_the_places_of_the_others():
    limits, endpoint = EndpointConcurrency(), (UUID(int=1), "e")
    taken = 0
    # Each is answered at once, and none is recorded.
    while limits.take(endpoint):
        limits.leave(endpoint)
        taken += 1
    assert taken == MAX_UNRECORDED
    assert limits.full_tenants() == [UUID(int=1)]
    assert limits.free == TOTAL - MAX_UNRECORDED
    limits.end(endpoint)
    assert limits.take(endpoint)
    assert limits.take((UUID(int=99), "e"))
