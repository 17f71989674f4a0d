"""Cursors: what they carry, and for whom they are valid."""

import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidCursor
from app.events import cursor
from app.events.cursor import Position

PLACES = st.builds(Position, st.integers(0, 2**63 - 1), st.uuids())


@given(tenant=st.uuids(), place=PLACES)
def test_a_cursor_carries_its_place(tenant: uuid.UUID, place: Position):
    assert cursor.decode(tenant, cursor.encode(tenant, place)) == place


@given(tenant=st.uuids(), other=st.uuids(), place=PLACES)
def test_a_cursor_is_worth_nothing_to_another_tenant(tenant: uuid.UUID, other: uuid.UUID, place: Position):
    if tenant != other:
        with pytest.raises(InvalidCursor):
            cursor.decode(other, cursor.encode(tenant, place))


@given(text=st.text(max_size=80))
def test_a_text_is_no_cursor(text: str):
    with pytest.raises(InvalidCursor):
        cursor.decode(uuid.UUID(int=7), text)


@given(place=PLACES, position=st.integers(0, 42), letter=st.sampled_from("Ab0_-"))
def test_a_cursor_that_was_changed_in_one_letter_is_refused(place: Position, position: int, letter: str):
    tenant = uuid.UUID(int=7)
    text = cursor.encode(tenant, place)
    changed = text[:position] + letter + text[position + 1 :]
    if changed != text:
        with pytest.raises(InvalidCursor):
            cursor.decode(tenant, changed)


def test_a_place_that_only_the_server_uses_is_no_cursor():
    tenant = uuid.uuid4()
    for place in (cursor.OLDEST, cursor.NOW):
        with pytest.raises(InvalidCursor):
            cursor.decode(tenant, cursor.encode(tenant, place))


def test_events_after_a_place_are_looked_for_from_a_day_before_it():
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    place = Position(3, uuid.UUID(int=int(at.timestamp() * 1000) << 80))
    assert place.since == at - timedelta(days=1)
    assert Position(3).since.timestamp() == 0
    assert Position(3, uuid.UUID(int=1 << 80)).since.timestamp() == 0
    assert Position(3, uuid.UUID(int=int(time.time() * 1000) << 80)).since < datetime.now(UTC)


@given(place=PLACES)
def test_a_forged_place_cannot_break_the_read_that_it_shares_with_other_tenants(place: Position):
    assert datetime(1970, 1, 1, tzinfo=UTC) <= place.since <= datetime.max.replace(tzinfo=UTC)


def test_the_latest_time_that_an_id_can_have_is_after_every_event():
    assert Position(3, uuid.UUID(int=2**128 - 1)).since.year == 9999
