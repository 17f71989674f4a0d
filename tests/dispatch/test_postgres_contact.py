"""How long Postgres has been within reach."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from app.dispatch.postgres_contact import PostgresContact

START = datetime(2026, 1, 1, tzinfo=UTC)


def _after(*seconds: float) -> PostgresContact:
    contact = PostgresContact()
    for second in seconds:
        contact.answered(START + timedelta(seconds=second))
    return contact


def test_before_the_first_answer_and_at_it_nothing_has_lasted():
    assert not _after().has_lasted(0)
    assert not _after(0).has_lasted(1)


def test_answers_without_a_gap_last():
    assert _after(*range(16)).has_lasted(15)


def test_a_silence_begins_anew():
    assert not _after(*range(16), 60, 61).has_lasted(15)
    assert _after(*range(16), 60, *range(61, 76)).has_lasted(15)


def test_a_clock_that_was_set_back_begins_anew_and_does_not_end_the_contact_for_good():
    assert not _after(*range(16), -3600, -3599).has_lasted(15)
    assert _after(*range(16), *range(-3600, -3584)).has_lasted(15)


@given(st.lists(st.floats(0.1, 4.9), min_size=1, max_size=50), st.floats(5.1, 1_000))
def test_only_what_followed_the_last_silence_counts(steps: list[float], silence: float):
    moments = [0.0, silence]
    for step in steps:
        moments.append(moments[-1] + step)
    contact = _after(*moments)
    assert contact.has_lasted(sum(steps) - 0.01)
    assert not contact.has_lasted(sum(steps) + 0.01)
