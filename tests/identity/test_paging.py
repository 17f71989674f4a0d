"""Pages of a list: the cursor belongs to one tenant and one list."""

import uuid
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response

from app.core import ids
from app.core.errors import InvalidCursor
from app.identity.paging import Page

TENANT = uuid.uuid4()


def _page(path: str, cursor: str | None = None, limit: int = 2, *, oldest_first: bool = False) -> Page:
    app = SimpleNamespace(parts=SimpleNamespace(cursor_key=b"k" * 32))
    scope: dict[str, Any] = {
        "type": "http", "app": app, "path": path, "server": ("test", 80), "scheme": "http", "query_string": b"limit=2",
        "headers": [],
    }  # fmt: skip
    return Page(limit, cursor, Request(scope), Response(), oldest_first=oldest_first)


def _items(count: int) -> list[Any]:
    return [SimpleNamespace(id=uuid.uuid4()) for _ in range(count)]


def test_a_full_page_names_the_next_one_and_the_last_page_none() -> None:
    page, found = _page("/api/keys"), _items(3)
    items, cursor = page.cut(TENANT, found)
    assert (items, cursor is None) == (found[:2], False)
    assert page.response.headers["Link"].endswith('rel="next"')
    assert _page("/api/keys", cursor).before(TENANT) == found[1].id
    last = _page("/api/keys")
    assert last.cut(TENANT, found[:2]) == (found[:2], None)
    assert "Link" not in last.response.headers


def test_the_first_page_begins_after_the_last_id() -> None:
    assert _page("/api/keys").before(TENANT) == ids.LAST


def test_a_list_with_the_oldest_first_begins_before_every_id_and_has_cursors_of_its_own() -> None:
    page = _page("/api/tasks", oldest_first=True)
    assert page.before(TENANT) == ids.FIRST
    found = _items(3)
    _, cursor = page.cut(TENANT, found)
    assert _page("/api/tasks", cursor, oldest_first=True).before(TENANT) == found[1].id
    with pytest.raises(InvalidCursor):
        _page("/api/tasks", cursor).before(TENANT)


def test_a_list_that_stopped_early_goes_on_where_it_has_read_to() -> None:
    read_to = uuid.uuid4()
    items, cursor = _page("/api/audit").cut(TENANT, [], read_to=read_to)
    assert list(items) == []
    assert _page("/api/audit", cursor).before(TENANT) == read_to


def test_a_cursor_of_another_list_or_tenant_is_refused() -> None:
    _, cursor = _page("/api/keys").cut(TENANT, _items(3))
    with pytest.raises(InvalidCursor):
        _page("/api/members", cursor).before(TENANT)
    with pytest.raises(InvalidCursor):
        _page("/api/keys", cursor).before(uuid.uuid4())
