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


def line(number: int, seq: int) -> dict[str, Any]:
    return {"attempt": number, "seq": seq, "level": "INFO", "message": f"{number}.{seq}", "fields": None, "at": TEXT}


def row(
    status: str, *attempts: dict[str, Any], progress: str | None = None, error: str | None = None, lines: Any = ()
) -> dict[str, Any]:
    return {
        "task": "echo", "status": status, "attempt": len(attempts), "tags": '["a"]', "error": error,
        "progress": progress, "created_at": AT, "scheduled_at": None, "finished_at": AT, "attempts": list(attempts),
        "lines": [line(*each) for each in lines],
    }  # fmt: skip


def types(entries: list[HistoryEntry]) -> list[str]:
    return [json.loads(entry.text)["type"] for entry in entries]


FAILED = {"type": "ValueError", "message": "no", "attempt": 1}
A1, A2, A3 = attempt(1, "FAILURE", FAILED), attempt(2, "LOST"), attempt(3, "SUCCESS")
# The states of one task, one after the other.
STATES = [
    row("PENDING"),
    row("STARTED", attempt(1)),
    row("STARTED", attempt(1), progress='{"done": 1}', lines=[(1, 1)]),
    row("STARTED", attempt(1), progress='{"done": 2}', lines=[(1, 1), (1, 2), (1, 3)]),
    row("RETRY", A1, progress='{"done": 2}', lines=[(1, 1), (1, 2), (1, 3)]),
    row("STARTED", A1, attempt(2), lines=[(1, 1), (1, 2), (1, 3), (2, 1)]),
    row("PENDING", A1, A2, lines=[(1, 1), (1, 2), (1, 3), (2, 1)]),
    row("STARTED", A1, A2, attempt(3), lines=[(1, 1), (1, 2), (1, 3), (2, 1)]),
    row("SUCCESS", A1, A2, A3, progress='{"done": 9}', lines=[(1, 1), (1, 2), (1, 3), (2, 1), (3, 1)]),
]
ALL = [
    "task.created", "attempt.started", "task.log", "task.progress", "task.log", "task.log", "task.progress",
    "attempt.ended", "attempt.started", "task.log", "attempt.ended", "attempt.started", "task.log", "task.progress",
    "attempt.ended", "task.succeeded",
]  # fmt: skip


def unread(state: dict[str, Any], point: Point) -> dict[str, Any]:
    """Leave out the lines that were read, as the statement does."""
    lines = [each for each in state["lines"] if (each["attempt"], each["seq"]) > point.last_line]
    return state | {"lines": lines[: history.MAX_LINES]}


def after(state: dict[str, Any], point: Point) -> list[HistoryEntry]:
    return history.after(TASK, unread(state, point), point)


def test_who_reads_every_state_is_told_each_thing_once():
    told, point = [], BEGINNING
    for state in STATES:
        for _ in range(2):
            entries = after(state, point)
            told += types(entries)
            point = entries[-1].point if entries else point
    assert told == ALL
    assert point.is_end


def test_who_comes_late_misses_only_earlier_progress():
    assert types(after(STATES[-1], BEGINNING)) == [kind for place, kind in enumerate(ALL) if place not in {3, 6}]


def facts(entries: list[HistoryEntry]) -> list[str]:
    """Return what was told, without the reports of progress: a reader may miss some of them."""
    return [entry.text for entry in entries if '"type":"task.progress"' not in entry.text]


@given(seen=st.integers(0, len(STATES) - 1), cut=st.integers(0, 20))
def test_who_is_cut_anywhere_and_resumes_later_is_told_nothing_twice_and_misses_nothing(seen: int, cut: int):
    before = after(STATES[seen], BEGINNING)[:cut]
    point = history.decode(TENANT, TASK, before[-1].cursor(TENANT, TASK)) if before else BEGINNING
    rest = after(STATES[-1], point)
    assert facts(before) + facts(rest) == facts(after(STATES[-1], BEGINNING))
    texts = [entry.text for entry in (*before, *rest)]
    assert len(texts) == len(set(texts))


def test_a_read_that_has_not_all_lines_stops_before_what_follows_them():
    many = [(1, seq) for seq in range(1, 2 * history.MAX_LINES + 1)]
    state = row("SUCCESS", attempt(1, "SUCCESS"), progress='{"done": 1}', lines=many)
    told, point, reads = [], BEGINNING, []
    while not point.is_end:
        entries = after(state, point)
        reads.append(len(entries))
        told += types(entries)
        point = entries[-1].point
    assert reads == [history.MAX_LINES + 2, history.MAX_LINES, 3]
    assert told == [
        "task.created", "attempt.started", *["task.log"] * len(many), "task.progress", "attempt.ended", "task.succeeded",
    ]  # fmt: skip


def test_a_task_that_never_ran_ends_too():
    cancelled = row("REVOKED", error='{"type": "Cancelled", "message": "no", "attempt": 0}')
    [_, end] = after(cancelled, BEGINNING)
    said = json.loads(end.text)
    assert (said["type"], said["created_at"], said["data"]["error"]["type"]) == ("task.revoked", TEXT, "Cancelled")
    assert said["data"]["task_id"] == str(TASK)
    assert end.point.is_end


POINTS = st.builds(
    Point, st.integers(-1, 2**31 - 1), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(min_size=8, max_size=8)
)


@given(point=POINTS)
def test_a_cursor_belongs_to_one_task_of_one_tenant(point: Point):
    text = history.encode(TENANT, TASK, point)
    assert history.decode(TENANT, TASK, text) == point
    for tenant_id, task_id in ((TENANT, uuid.uuid4()), (uuid.uuid4(), TASK), (TASK, TENANT)):
        with pytest.raises(InvalidCursor):
            history.decode(tenant_id, task_id, text)
