"""Filters in the URL."""

import json
from datetime import UTC, datetime
from urllib.parse import parse_qsl

from hypothesis import given
from hypothesis import strategies as st

from app.console import task_filters
from app.console.task_filters import Filters
from app.operations.schemas import CancelFilter, RetryFilter
from app.tasks.status import Status

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
_TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20).map(str.strip)


@given(st.builds(
    Filters,
    status=st.lists(st.sampled_from(list(Status)), unique=True).map(lambda found: tuple(map(str, found))),
    task=_TEXTS, tag=_TEXTS, within=st.sampled_from(["", *task_filters.WITHIN]), sort=st.sampled_from(["", "oldest"]),
))  # fmt: skip
def test_a_link_means_what_the_page_shows(filters: Filters):
    assert task_filters.read(dict(parse_qsl(filters.query().removeprefix("?")))) == filters


@given(st.dictionaries(st.sampled_from(["status", "task", "tag", "metadata", "within", "sort", "x"]), st.text()))
def test_any_query_is_a_filter_that_the_list_takes(query: dict[str, str]):
    filters = task_filters.read(query)
    wanted = filters.wanted(NOW)
    assert wanted.metadata is None or all(wanted.metadata.values())
    assert set(filters.status) <= set(Status)


def test_a_click_on_a_status_adds_it_or_takes_it_away():
    filters = task_filters.read({"status": "FAILURE,nonsense"})
    assert filters.toggled("RETRY") == "?status=FAILURE,RETRY"
    assert filters.toggled("FAILURE") == ""


def test_an_operation_chooses_only_what_it_can_act_on():
    filters = task_filters.read({"status": "FAILURE,PENDING", "task": "echo", "within": "1h"})
    retried, cancelled = filters.selection("retry", NOW), filters.selection("cancel", NOW)
    assert retried is not None and cancelled is not None
    assert (retried["statuses"], cancelled["statuses"]) == (["FAILURE"], ["PENDING"])
    assert RetryFilter.model_validate_json(json.dumps(retried)).task == "echo"
    assert CancelFilter.model_validate_json(json.dumps(cancelled)).created_from == datetime(
        2026, 11, 30, 11, tzinfo=UTC
    )
    assert task_filters.read({"status": "SUCCESS"}).selection("cancel", NOW) is None
    assert task_filters.read({"metadata": "a:b"}).selection("retry", NOW) is None
