"""Cursors belong to the tenant who was given them."""

from uuid import UUID

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.core.errors import InvalidCursor
from app.http.pagination import decode, derive_key, encode, next_link

KEY = derive_key(b"p" * 32)
TENANT = UUID(int=1)
_POSITIONS = st.text(st.characters(exclude_categories=["Cs"]), max_size=80)


@given(st.uuids(), _POSITIONS)
def test_a_cursor_gives_its_position_back(tenant_id: UUID, position: str) -> None:
    assert decode(tenant_id, encode(tenant_id, position, KEY), KEY) == position


@given(st.uuids(), st.uuids(), _POSITIONS)
def test_a_cursor_of_one_tenant_is_refused_for_another(owner: UUID, other: UUID, position: str) -> None:
    assume(owner != other)
    with pytest.raises(InvalidCursor):
        decode(other, encode(owner, position, KEY), KEY)


@given(_POSITIONS, st.data())
def test_a_changed_cursor_is_refused(position: str, data: st.DataObject) -> None:
    cursor = encode(TENANT, position, KEY)
    place = data.draw(st.integers(0, len(cursor) - 2))
    letter = data.draw(st.sampled_from("ABCwxyz0189-_"))
    assume(cursor[place] != letter)
    with pytest.raises(InvalidCursor):
        decode(TENANT, cursor[:place] + letter + cursor[place + 1 :], KEY)


@given(st.text() | st.from_regex(r"\A[A-Za-z0-9_-]{0,600}\Z"))
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        decode(TENANT, text, KEY)


def test_a_cursor_under_another_key_is_refused() -> None:
    with pytest.raises(InvalidCursor):
        decode(TENANT, encode(TENANT, "a", KEY), derive_key(b"q" * 32))


def test_the_link_keeps_the_filters_and_names_no_host() -> None:
    link = next_link("http://evil.example/api/tasks?status=PENDING&cursor=old&tag=a%26b&tag=", "new")
    assert link == '</api/tasks?status=PENDING&tag=a%26b&tag=&cursor=new>; rel="next"'


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_link_is_one_safe_header(query: str) -> None:
    link = next_link("/api/tasks?tag=" + query, "new")
    assert link.isascii()
    assert link.isprintable()
    assert link.count("<") == link.count(">") == 1
