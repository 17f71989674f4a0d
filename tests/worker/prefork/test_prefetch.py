"""How many tasks a slot claims at once."""

from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from app.worker.prefork.prefetch import PrefetchLimit

_TENANT = UUID(int=1)


def _after(*seconds: float) -> int:
    pace = PrefetchLimit()
    for one in seconds:
        pace.note(_TENANT, one)
    return pace.limit(_TENANT)


def test_one_at_a_time_until_something_is_known():
    assert PrefetchLimit().limit(_TENANT) == 1


def test_what_waits_in_a_slot_waits_for_ten_milliseconds_at_most():
    assert _after(0.001) == 10
    assert _after(0.0) == 32
    assert _after(0.011) == 1


def test_the_slowest_of_the_last_few_decides():
    assert _after(0.001, 5.0, 0.001) == 1
    assert _after(5.0, *[0.001] * 8) == 10


def test_tenants_do_not_know_of_each_other():
    pace = PrefetchLimit()
    pace.note(_TENANT, 0.001)
    assert pace.limit(uuid4()) == 1


def test_claims_are_shared_only_if_all_of_the_last_few_tasks_were_short():
    pace = PrefetchLimit()
    assert pace.tenants() == 1
    for number in range(8):
        pace.note(UUID(int=number), 0.001)
    assert pace.tenants() == 10
    pace.note(uuid4(), 0.02)
    assert pace.tenants() == 1


def test_what_is_remembered_is_bounded():
    pace = PrefetchLimit()
    for number in range(1_500):
        pace.note(UUID(int=number), 0.001)
    assert len(pace._runs) == 1_000
    assert pace.limit(UUID(int=1_499)) == 10
    assert pace.limit(UUID(int=0)) == 1


@given(st.lists(st.floats(min_value=0, max_value=1e6)))
def test_a_limit_is_between_one_and_32_and_never_more_than_ten_milliseconds_of_work(seconds: list[float]):
    limit = _after(*seconds)
    assert 1 <= limit <= 32
    assert limit == 1 or limit * max(seconds[-8:]) <= 0.010 + 1e-9
