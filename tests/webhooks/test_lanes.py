"""Places: never too many, and never none for those who have taken none."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from app.webhooks.lanes import PER_LANE, PER_TENANT, TOTAL, Lane, Lanes

TENANTS = st.integers(0, 40).map(lambda number: UUID(int=number))
LANES = st.tuples(TENANTS, st.sampled_from([f"https://a.example.com/{number}" for number in range(30)]))


def _take_all(lanes: Lanes, tenant: int, endpoints: int) -> int:
    return sum(lanes.take((UUID(int=tenant), f"e{number % endpoints}")) for number in range(PER_LANE * endpoints))


@given(st.lists(st.tuples(st.sampled_from(["take", "end", "fail"]), LANES), max_size=400))
def test_no_bound_is_ever_passed(steps: list[tuple[str, Lane]]):
    lanes, held = Lanes(total=64), list[Lane]()
    for step, lane in steps:
        if step == "take":
            width = lanes.width(lane)
            before = held.count(lane)
            if lanes.take(lane):
                held.append(lane)
                assert before < width
        elif held:
            ended = held.pop(hash(lane) % len(held))
            lanes.heed(ended, is_keeping_up=step == "end")
            lanes.give_back(ended)
        assert lanes.free == 64 - len(held) >= 0
        assert all(held.count(one) <= PER_LANE for one in held)
        assert all([tenant for tenant, _ in held].count(one[0]) <= PER_TENANT for one in held)


@given(st.lists(LANES, max_size=300))
def test_what_is_given_back_is_free_again(wanted: list[Lane]):
    lanes = Lanes()
    taken = [lane for lane in wanted if lanes.take(lane)]
    for lane in taken:
        lanes.give_back(lane)
    assert lanes.free == TOTAL
    assert lanes.full_tenants() == []


@given(st.integers(1, 55), st.integers(1, 50))
def test_tenants_that_hang_leave_places_for_the_next(hanging: int, endpoints: int):
    lanes = Lanes()
    for tenant in range(hanging):
        assert _take_all(lanes, tenant, endpoints) >= 1
    assert lanes.take((UUID(int=999), "e"))


def test_one_endpoint_has_four_places_and_one_tenant_sixteen():
    assert _take_all(Lanes(), 1, 1) == PER_LANE == 4
    assert _take_all(Lanes(), 1, 50) == PER_TENANT == 16


def test_a_lane_that_is_refilled_leaves_its_tenants_others_half_the_places():
    lanes, tenant = Lanes(), UUID(int=1)
    refilled = sum(lanes.take((tenant, f"e{number}"), most=PER_TENANT // 2) for number in range(50))
    assert refilled == PER_TENANT // 2
    assert lanes.take((tenant, "another"))


def test_an_endpoint_that_hangs_leaves_its_tenants_others_their_places():
    lanes = Lanes()
    while lanes.take((UUID(int=1), "hangs")):
        pass
    assert all(lanes.take((UUID(int=1), f"well {number}")) for number in range(12))


def test_a_lane_narrows_to_one_when_it_fails_and_doubles_back():
    lanes, lane = Lanes(), (UUID(int=1), "e")
    lanes.heed(lane, is_keeping_up=False)
    widths = [lanes.width(lane)]
    for _ in range(3):
        lanes.heed(lane, is_keeping_up=True)
        widths.append(lanes.width(lane))
    assert widths == [1, 2, 4, 4]


def test_what_is_remembered_of_endpoints_is_bounded():
    lanes = Lanes()
    for number in range(10_001):
        lanes.heed((UUID(int=1), str(number)), is_keeping_up=False)
    assert lanes.width((UUID(int=1), "0")) == PER_LANE
    assert lanes.width((UUID(int=1), "10000")) == 1
