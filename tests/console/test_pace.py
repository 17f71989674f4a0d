"""How often live pages refresh."""

import uuid

import pytest

from app.console.pace import SHORTEST, Pace

ACME, OTHER = uuid.uuid4(), uuid.uuid4()
PEOPLE = [uuid.uuid4() for _ in range(200)]


def test_a_few_pages_refresh_at_once_and_many_take_turns():
    pace = Pace()
    gaps = [pace.note(ACME, person, 0) for person in PEOPLE]
    assert gaps[:2] == [SHORTEST] * 2
    assert gaps[-1] == 40
    # Further pages of the same sessions are no further people.
    assert pace.note(ACME, PEOPLE[0], 1) == 40


def test_pages_that_were_closed_slow_nobody_down():
    pace = Pace()
    for person in PEOPLE:
        pace.note(ACME, person, 0)
    assert pace.note(ACME, PEOPLE[7], 80) == 40
    assert pace.note(ACME, PEOPLE[8], 100) == SHORTEST


def test_no_page_waits_for_longer_than_a_minute():
    pace = Pace()
    assert max(pace.note(ACME, uuid.uuid4(), 0) for _ in range(2_000)) == 60


def test_the_many_pages_of_one_tenant_do_not_slow_those_of_another():
    pace = Pace()
    for person in PEOPLE:
        pace.note(ACME, person, 0)
    assert pace.note(OTHER, uuid.uuid4(), 0) == SHORTEST
    # Nor does one page of another slow those of the one.
    assert pace.gap(ACME) == pytest.approx(40.2)
    # Those of a tenant that has gone share no more.
    assert pace.note(ACME, PEOPLE[0], 95) == SHORTEST
    assert pace.gap(OTHER) == SHORTEST


def test_each_tenant_has_the_same_share():
    pace = Pace()
    gaps = [pace.note(uuid.uuid4(), person, 0) for person in PEOPLE]
    assert gaps[-1] == 40


def test_all_pages_together_refresh_five_to_ten_times_in_a_second():
    pace = Pace()
    tenants = [(uuid.uuid4(), sessions) for sessions in (1, 1, 2, 7, 40, 90)]
    for tenant, sessions in tenants:
        for _ in range(sessions):
            pace.note(tenant, uuid.uuid4(), 0)
    assert 5 <= sum(sessions / pace.gap(tenant) for tenant, sessions in tenants) <= 10
