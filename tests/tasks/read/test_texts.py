"""The texts of a task are those that the documented models would write."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest

from app.core import ids
from app.tasks.read import texts
from app.tasks.schemas import ResultPending, TaskResult, TaskStatus

ID = ids.new_id()
NOW = datetime(2026, 11, 30, 12, 30, 15, 120_000, UTC)
ROW: dict[str, Any] = {
    "number": 1, "task": "echo", "status": "STARTED", "attempt": 1, "max_attempts": 3, "progress": None,
    "waiting_reason": None, "cancel_requested": False, "error": None, "created_at": NOW, "due_at": NOW,
    "started_at": NOW.replace(microsecond=0), "finished_at": None, "erased_at": None,
}  # fmt: skip
ERROR = {"type": "ValueError", "message": 'ü "quoted" \u2028', "attempt": 1}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"status": "PENDING", "waiting_reason": "QUEUED", "started_at": None, "attempt": 0},
        {"progress": {"done": 1, "total": 3, "note": "half"}},
        {"progress": {"done": None, "total": 2.5, "note": None}},
        {"status": "RETRY", "error": ERROR},
        {"status": "FAILURE", "error": ERROR | {"traceback": "not for callers"}, "finished_at": NOW},
        {"status": "FAILURE", "finished_at": NOW, "erased_at": NOW},
        {"status": "SUCCESS", "finished_at": NOW.astimezone(timezone(timedelta(hours=2)))},
    ],
)
def test_a_status_is_the_text_of_its_model(changes: dict[str, Any]):
    row = ROW | changes
    text = texts.status(ID, cast("Any", row))
    assert text.body.decode() == TaskStatus.model_validate({**row, "task_id": ID}).model_dump_json()
    assert text.has_ended == (row["status"] in {"SUCCESS", "FAILURE"})


def test_a_number_that_is_none_in_json_is_null_in_a_status():
    row = ROW | {"progress": {"done": float("nan"), "total": float("inf"), "note": None}}
    text = texts.status(ID, cast("Any", row))
    assert json.loads(text.body)["progress"] == {"done": None, "total": None, "note": None}
    assert text.body.decode() == TaskStatus.model_validate({**row, "task_id": ID}).model_dump_json()


@pytest.mark.parametrize(
    ("status", "result", "error"),
    [("SUCCESS", '{"a": 1.0, "a\u00fc": [18446744073709551615]}', None), ("FAILURE", None, json.dumps(ERROR)),
     ("REVOKED", None, None), ("SUCCESS", None, None)],
)  # fmt: skip
def test_an_outcome_has_the_stored_texts(status: str, result: str | None, error: str | None):
    text = texts.result(ID, cast("Any", {"status": status, "result": result, "error": error}))
    told = TaskResult.model_validate_json(text.body)
    assert (text.has_ended, told.task_id, told.status) == (True, ID, status)
    assert f'"result":{result or "null"},' in text.body.decode()
    assert told.error is None or told.error.model_dump() == ERROR


def test_an_outcome_that_is_not_there_yet_says_so():
    text = texts.result(ID, cast("Any", {"status": "STARTED", "result": None, "error": None}))
    assert (text.has_ended, ResultPending.model_validate_json(text.body).status) == (False, "STARTED")
