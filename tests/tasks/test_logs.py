"""The log of a task, from the code's lines to the caller's pages."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Tenant, wait_until


def _lines(tenant: Tenant, task_id: str, **params: Any) -> tuple[list[dict[str, Any]], str | None]:
    answer = tenant.client.get(f"/api/tasks/{task_id}/logs", params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"], answer.json()["next_cursor"]


def _all_lines(tenant: Tenant, task_id: str, limit: int) -> list[dict[str, Any]]:
    found, cursor = _lines(tenant, task_id, limit=limit)
    while cursor is not None:
        more, cursor = _lines(tenant, task_id, limit=limit, after=cursor)
        found += more
    return found


def _logged(tenant: Tenant, **payload: Any) -> str:
    task_id = tenant.submit(task="test.logs", payload=payload)
    tenant.result(task_id)
    return task_id


def test_each_line_is_there_once_the_task_has_ended(acme: Tenant):
    task_id = _logged(acme, lines=3)
    lines, cursor = _lines(acme, task_id)
    assert [(line["attempt"], line["seq"], line["level"], line["message"]) for line in lines] == [
        (1, 1, "INFO", "line 0"),
        (1, 2, "INFO", "line 1"),
        (1, 3, "INFO", "line 2"),
        (1, 4, "WARNING", "a warning"),
        (1, 5, "ERROR", lines[4]["message"]),
        (1, 6, "INFO", "printed"),
    ]
    assert lines[3]["fields"] == {"row": 7}
    assert lines[4]["message"] == "it failed\nValueError: bad"
    assert cursor is None


def test_pages_follow_each_other_without_gap_or_double(acme: Tenant):
    task_id = _logged(acme, lines=20)
    seqs = [line["seq"] for line in _all_lines(acme, task_id, 7)]
    assert seqs == list(range(1, 24))


def test_a_running_task_shows_its_lines_and_a_place_to_read_on(acme: Tenant, tmp_path: Any):
    task_id = acme.submit(task="test.logs", payload={"lines": 2, "until": str(tmp_path / "go")})
    _, at_first = _lines(acme, task_id)
    assert at_first is not None
    wait_until(lambda: len(_lines(acme, task_id)[0]) == 2, "the first lines")
    lines, cursor = _lines(acme, task_id, after=at_first)
    assert [line["seq"] for line in lines] == [1, 2]
    assert _lines(acme, task_id, after=cursor) == ([], cursor)
    (tmp_path / "go").touch()
    acme.result(task_id)
    lines, end = _lines(acme, task_id, after=cursor)
    assert ([line["seq"] for line in lines], end) == ([3, 4, 5], None)


def test_each_attempt_has_lines_of_its_own(acme: Tenant):
    task_id = _logged(acme, lines=1, fails=1)
    assert [(line["attempt"], line["seq"]) for line in _all_lines(acme, task_id, 3)] == [
        (attempt, seq) for attempt in (1, 2) for seq in (1, 2, 3, 4)
    ]


def test_a_task_keeps_its_tenants_number_of_lines_and_says_how_many_were_dropped(acme: Tenant):
    lines = _all_lines(acme, _logged(acme, lines=1_200), 1_000)
    assert [line["message"] for line in lines[:1_000]] == [f"line {number}" for number in range(1_000)]
    assert len(lines) == 1_001
    assert (lines[-1]["level"], lines[-1]["message"].split(" more lines")[0]) == ("WARNING", "203")


def test_an_attempt_keeps_64_kib(acme: Tenant):
    lines = _all_lines(acme, _logged(acme, lines=100, size=1_500), 1_000)
    kept = [line for line in lines if line["level"] == "INFO"]
    assert len(kept) == 64 * 1024 // 1_500
    assert lines[-1]["message"].startswith(f"{103 - len(kept)} more lines were dropped")


def test_a_limit_of_0_stores_none(make_tenant: Callable[..., Tenant], admin: Any):
    tenant = make_tenant("logs-none", plan="free")
    assert admin("tenant", "set-limit", tenant.slug, "log_lines=0").returncode == 0
    lines = _all_lines(tenant, _logged(tenant, lines=3), 100)
    assert [line["message"].split(" more")[0] for line in lines] == ["6"]


def test_lines_that_cannot_be_stored_as_they_are_cost_no_attempt(acme: Tenant):
    task_id = _logged(acme, lines=0, odd=True)
    assert acme.result(task_id)["status"] == "SUCCESS"
    lines = _all_lines(acme, task_id, 100)
    assert [line["message"] for line in lines[:2]] == ["a\\0b \\ud800", "rows"]
    assert "dropped" in lines[1]["fields"]


def test_an_attempt_that_was_taken_away_stores_no_more_lines(acme: Tenant, tmp_path: Any):
    """A child that is stopped and killed has lines that it could not write; the next attempt has all of its own."""
    task_id = acme.submit(task="test.logs", payload={"lines": 1, "until": str(tmp_path / "go"), "says_pid": True})
    wait_until(lambda: acme.status(task_id)["progress"] is not None, "the start")
    wait_until(lambda: len(_lines(acme, task_id)[0]) == 1, "the first line")
    os.kill(int(acme.status(task_id)["progress"]["done"]), signal.SIGKILL)
    (tmp_path / "go").touch()
    acme.result(task_id)
    assert [(line["attempt"], line["seq"]) for line in _all_lines(acme, task_id, 100)] == [
        (1, 1),
        *[(2, seq) for seq in (1, 2, 3, 4)],
    ]


def test_a_cursor_of_another_task_is_refused(acme: Tenant):
    one, other = _logged(acme, lines=1), _logged(acme, lines=1)
    cursor = acme.client.get(f"/api/tasks/{one}/logs", params={"limit": 1}).json()["next_cursor"]
    answer = acme.client.get(f"/api/tasks/{other}/logs", params={"after": cursor})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")


@pytest.mark.parametrize("limit", ["0", "1001", "x"])
def test_a_limit_out_of_bounds_is_refused(acme: Tenant, limit: str):
    answer = acme.client.get(f"/api/tasks/{_logged(acme, lines=1)}/logs", params={"limit": limit})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
