"""The range of ids in which selected tasks lie, and the cut of a page."""

import uuid
from datetime import UTC, datetime, timedelta

from app.core import ids
from app.tasks.selection import SelectedPage, TaskSelection

NOW = datetime(2027, 1, 31, 12, tzinfo=UTC)


def _at(moment: datetime) -> uuid.UUID:
    return ids.first_id_at(moment.timestamp())


def test_the_walk_ends_after_the_request_and_begins_where_tasks_may_match():
    first, last = TaskSelection(("PENDING",), NOW).bounds(ids.FIRST)
    assert first == ids.FIRST
    assert _at(NOW) < last < _at(NOW + timedelta(days=2))
    first, last = TaskSelection(
        ("PENDING",), NOW, created_from=NOW - timedelta(days=9), created_to=NOW - timedelta(days=5)
    ).bounds(ids.FIRST)
    assert _at(NOW - timedelta(days=11)) < first < _at(NOW - timedelta(days=9))
    assert last < _at(NOW - timedelta(days=3))


def test_a_later_end_than_the_request_selects_nothing_more():
    assert TaskSelection((), NOW, created_to=NOW + timedelta(days=30)).bounds(ids.FIRST) == TaskSelection(
        (), NOW
    ).bounds(ids.FIRST)


def test_what_was_visited_is_not_visited_again():
    visited = ids.new_id()
    assert TaskSelection((), NOW, created_from=NOW - timedelta(days=3_000)).bounds(visited)[0] == visited


def test_a_page_is_cut_after_a_matching_task():
    matching = [uuid.uuid4() for _ in range(3)]
    page = SelectedPage(matching, None)
    assert page.first(3) is page
    assert page.first(2) == SelectedPage(matching[:2], matching[1])
