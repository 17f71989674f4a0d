"""Slots are shared among tenants with long tasks by weight, and never the last free one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.dispatch.long_task_caps import LongTaskCaps, LongTenant, TaskDurations

A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def _tenant(tenant_id: UUID, held: int, waiting: int, weight: int = 1) -> LongTenant:
    return LongTenant(tenant_id, held, waiting, weight)


def test_one_tenant_gets_all_slots_but_the_last():
    assert LongTaskCaps().share(4, [_tenant(A, 0, 9)], 1) == ({A: 3}, 0)


def test_what_nobody_asks_for_is_spread_over_them_and_those_whose_long_tasks_come_next():
    assert LongTaskCaps().share(8, [_tenant(A, 2, 0), _tenant(B, 0, 1)], 1) == ({A: 3, B: 2}, 2)


def test_a_tenant_with_one_long_task_may_start_another_at_once_while_slots_are_free():
    caps, free = LongTaskCaps().share(8, [_tenant(A, 1, 0)], 1)
    assert caps[A] == 4
    assert free == 3


def test_a_tenant_over_its_share_keeps_what_runs_and_gets_nothing_new():
    caps, free = LongTaskCaps().share(5, [_tenant(A, 4, 9), _tenant(B, 0, 9)], 1)
    assert (caps, free) == ({A: 2, B: 0}, 0)


def test_what_a_tenant_over_its_share_gives_back_goes_to_the_one_below():
    caps, _ = LongTaskCaps().share(5, [_tenant(A, 3, 9), _tenant(B, 0, 9)], 1)
    assert caps == {A: 2, B: 1}


def test_shares_are_by_weight():
    assert LongTaskCaps().share(11, [_tenant(A, 0, 99), _tenant(B, 0, 99, weight=4)], 1) == ({A: 2, B: 8}, 0)


def test_one_slot_for_two_goes_to_the_one_that_had_less():
    caps, given = LongTaskCaps(), []
    held = {A: 1, B: 0}
    for _ in range(8):
        found, _ = caps.share(2, [_tenant(tenant_id, held[tenant_id], 9) for tenant_id in held], 1)
        given.append(max(found, key=lambda tenant_id: found[tenant_id]) if any(found.values()) else None)
        # What runs ends, and who may start does.
        held = found
    assert given.count(A) == given.count(B)


def test_who_comes_back_has_saved_up_nothing():
    caps = LongTaskCaps()
    for _ in range(100):
        caps.share(3, [_tenant(A, 2, 9)], 1)
    assert caps.share(3, [_tenant(A, 0, 9), _tenant(B, 0, 9)], 1)[0] == {A: 1, B: 1}


@given(
    some.integers(2, 40),
    some.lists(some.tuples(some.integers(0, 9), some.integers(0, 99), some.integers(1, 9)), max_size=8),
)
def test_all_of_them_together_never_take_the_last_free_slot(slots: int, facts: list[tuple[int, int, int]]):
    tenants = [_tenant(UUID(int=number), *fact) for number, fact in enumerate(facts)]
    caps, free = LongTaskCaps().share(slots, tenants, 1)
    held = sum(tenant.held for tenant in tenants)
    may_hold = sum(max(tenant.held, caps[tenant.tenant_id]) for tenant in tenants)
    assert may_hold + free == max(held, slots - 1)
    assert all(cap >= 0 for cap in caps.values())
    # No slot is kept free while somebody who may have it asks for it, and none is promised beyond what is asked for
    # before each has what it asks for.
    asked = {tenant.tenant_id: tenant.held + tenant.waiting for tenant in tenants}
    is_enough = all(caps[tenant_id] >= asked[tenant_id] for tenant_id in caps)
    assert is_enough or (free == 0 and all(caps[tenant_id] <= asked[tenant_id] for tenant_id in caps))
    # Newcomers have at least as much of what is left as any of them.
    assert free >= max((caps[tenant_id] - asked[tenant_id] for tenant_id in caps), default=0) or not is_enough


@pytest.mark.parametrize(
    ("ended", "expected"),
    [([], set()), ([(1, 1)], {"a"}), ([(2, 1)], set()), ([(100, 0), (1, 1)], set()), ([(100, 0), (40, 40)], {"a"})],
)
def test_a_type_is_long_while_more_than_half_of_its_recent_attempts_are(
    ended: list[tuple[int, int]], expected: set[str]
):
    lengths = TaskDurations()
    for attempts, long_attempts in ended:
        lengths.note("a", attempts, long_attempts)
    assert lengths.long_types() == expected


def test_what_was_found_before_a_restart_counts_until_the_type_runs_otherwise():
    lengths = TaskDurations()
    lengths.remember(["a", "b"])
    lengths.note("a", 3, 0)
    assert lengths.long_types() == {"a", "b"}
    lengths.note("a", 3, 0)
    assert lengths.long_types() == {"b"}


def test_attempts_too_short_to_be_seen_are_not_free():
    # Of a long type by what ran before, yet each is over before the next look: they had the slot all the same.
    caps, had, allowed = LongTaskCaps(), {A: 0, B: 0}, dict[UUID, int]()
    for _ in range(200):
        tenants = [
            _tenant(A, allowed.get(A, 0), 50),
            _tenant(B, 0, 50, weight=4),
        ]
        allowed, _ = caps.share(2, tenants, 1.0)
        for tenant_id, cap in allowed.items():
            had[tenant_id] += cap
    assert 3 < had[B] / had[A] < 5
