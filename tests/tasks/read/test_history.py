"""What has happened to a task, told from its rows; resumed at any point, each thing is told once."""

import json
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidCursor
from app.tasks.read import history
from app.tasks.read.history import BEGINNING, HistoryEntry, Point

TENANT, TASK = uuid.uuid4(), uuid.uuid4()
AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
TEXT = "2026-07-01T12:00:00.000000Z"


def attempt(number: int, status: str = "STARTED", error: Any = None) -> dict[str, Any]:
    finished_at = None if status == "STARTED" else TEXT
    return {"attempt": number, "status": status, "error": error, "started_at": TEXT, "finished_at": finished_at}


def row(
    status: str, *attempts: dict[str, Any], progress: str | None = None, error: str | None = None
) -> dict[str, Any]:
    return {
        "task": "echo", "status": status, "attempt": len(attempts), "tags": '["a"]', "error": error,
        "progress": progress, "created_at": AT, "scheduled_at": None, "finished_at": AT, "attempts": list(attempts),
    }  # fmt: skip


def types(entries: list[HistoryEntry]) -> list[str]:
    return [json.loads(entry.text)["type"] for entry in entries]


FAILED = {"type": "ValueError", "message": "no", "attempt": 1}
# The states of one task, one after the other.
STATES = [
    row("PENDING"),
    row("STARTED", attempt(1)),
    row("STARTED", attempt(1), progress='{"done": 1}'),
    row("STARTED", attempt(1), progress='{"done": 2}'),
    row("RETRY", attempt(1, "FAILURE", FAILED), progress='{"done": 2}'),
    row("STARTED", attempt(1, "FAILURE", FAILED), attempt(2)),
    row("PENDING", attempt(1, "FAILURE", FAILED), attempt(2, "LOST")),
    row("STARTED", attempt(1, "FAILURE", FAILED), attempt(2, "LOST"), attempt(3)),
    row("SUCCESS", attempt(1, "FAILURE", FAILED), attempt(2, "LOST"), attempt(3, "SUCCESS"), progress='{"done": 9}'),
]
ALL = [
    "task.created", "attempt.started", "task.progress", "task.progress", "attempt.ended", "attempt.started",
    "attempt.ended", "attempt.started", "task.progress", "attempt.ended", "task.succeeded",
]  # fmt: skip


def test_who_reads_every_state_is_told_each_thing_once():
    told, point = [], BEGINNING
    for state in STATES:
        for _ in range(2):
            entries = history.after(TASK, state, point)
            told += types(entries)
            point = entries[-1].point if entries else point
    assert told == ALL
    assert point.is_end


def test_who_comes_late_misses_only_earlier_progress():
    assert types(history.after(TASK, STATES[-1], BEGINNING)) == [kind for i, kind in enumerate(ALL) if i not in {2, 3}]


@given(seen=st.integers(0, len(STATES) - 1), cut=st.integers(0, 20))
def test_who_is_cut_anywhere_and_resumes_later_is_told_nothing_twice_and_misses_nothing(seen: int, cut: int):
    before = history.after(TASK, STATES[seen], BEGINNING)[:cut]
    point = history.decode(TENANT, TASK, before[-1].cursor(TENANT, TASK)) if before else BEGINNING
    rest = history.after(TASK, STATES[-1], point)
    points = [entry.point for entry in (*before, *rest)]
    assert len(points) == len(set(points))
    final = [entry.point for entry in history.after(TASK, STATES[-1], BEGINNING)]
    assert set(final) <= set(points)
    assert [entry.point[:2] for entry in (*before, *rest)] == sorted(entry.point[:2] for entry in (*before, *rest))


def test_a_task_that_never_ran_ends_too():
    cancelled = row("REVOKED", error='{"type": "Cancelled", "message": "no", "attempt": 0}')
    [_, end] = history.after(TASK, cancelled, BEGINNING)
    said = json.loads(end.text)
    assert (said["type"], said["created_at"], said["data"]["error"]["type"]) == ("task.revoked", TEXT, "Cancelled")
    assert said["data"]["task_id"] == str(TASK)
    assert end.point.is_end


@given(point=st.builds(Point, st.integers(0, 2**31 - 1), st.integers(0, 255), st.binary(min_size=8, max_size=8)))
def test_a_cursor_belongs_to_one_task_of_one_tenant(point: Point):
    text = history.encode(TENANT, TASK, point)
    assert history.decode(TENANT, TASK, text) == point
    for tenant_id, task_id in ((TENANT, uuid.uuid4()), (uuid.uuid4(), TASK), (TASK, TENANT)):
        with pytest.raises(InvalidCursor):
            history.decode(tenant_id, task_id, text)
