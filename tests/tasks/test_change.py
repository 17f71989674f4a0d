"""A waiting task gets another priority, time or tags; one that runs or has ended does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conftest import Stack, Tenant, wait_until


def _change(tenant: Tenant, task_id: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = tenant.client.patch(f"/api/tasks/{task_id}", json=body)
    return answer.status_code, answer.json()


def _in(**distance: float) -> str:
    return (datetime.now(UTC) + timedelta(**distance)).isoformat()


def test_what_is_sent_changes_and_the_rest_stays(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600, tags=["old"], priority=2)
    before = acme.client.get(f"/api/tasks/{task_id}").json()
    status, changed = _change(acme, task_id, priority=9)
    names = ("task_id", "status", "tags", "scheduled_at", "due_at")
    assert (status, changed) == (200, {name: before[name] for name in names} | {"priority": 9})
    later = _in(days=2)
    assert datetime.fromisoformat(_change(acme, task_id, scheduled_at=later)[1]["due_at"]) == datetime.fromisoformat(
        later
    )
    assert _change(acme, task_id, tags=["new", "two"])[1]["tags"] == ["new", "two"]
    after = acme.client.get(f"/api/tasks/{task_id}").json()
    assert (after["priority"], after["tags"], after["waiting_reason"]) == (9, ["new", "two"], "SCHEDULED")
    assert after["due_at"] == after["scheduled_at"] != before["scheduled_at"]


def test_null_sets_the_default_of_a_submit_and_the_task_starts(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600, tags=["old"], priority=2)
    assert _change(acme, task_id, priority=None, tags=None)[1] | {"due_at": ""} == {
        "task_id": task_id, "status": "PENDING", "priority": 4, "tags": [], "due_at": "",
        "scheduled_at": acme.client.get(f"/api/tasks/{task_id}").json()["scheduled_at"],
    }  # fmt: skip
    assert _change(acme, task_id, scheduled_at=None)[1]["scheduled_at"] is None
    assert acme.result(task_id)["status"] == "SUCCESS"


def test_a_task_moved_to_the_present_starts_without_the_dispatcher(
    quiet_stack: Stack, make_tenant: Callable[..., Tenant]
):
    tenant = make_tenant("changer-ticket")
    task_id = tenant.submit(task="echo", payload=1, delay_seconds=3600)
    quiet_stack.stop("dispatcher")
    try:
        assert _change(tenant, task_id, scheduled_at="2001-01-01T00:00:00Z")[0] == 200
        assert tenant.result(task_id)["status"] == "SUCCESS"
    finally:
        quiet_stack.start("dispatcher", "app.dispatch")


def test_a_task_moved_to_a_near_time_starts_then(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    soon = _in(seconds=1)
    assert _change(acme, task_id, scheduled_at=soon)[0] == 200
    assert acme.result(task_id)["status"] == "SUCCESS"
    assert datetime.fromisoformat(acme.status(task_id)["started_at"]) >= datetime.fromisoformat(soon)


def test_a_task_between_two_attempts_takes_the_new_time_instead_of_its_back_off(acme: Tenant):
    task_id = acme.submit(task="test.waits_long")
    wait_until(lambda: acme.status(task_id)["status"] == "RETRY", "the retry")
    assert _change(acme, task_id, scheduled_at=_in(hours=1))[1]["status"] == "RETRY"
    assert acme.status(task_id)["waiting_reason"] == "SCHEDULED"
    assert acme.client.post(f"/api/tasks/{task_id}/cancel").status_code == 200


def test_a_task_that_runs_or_has_ended_is_not_changed(acme: Tenant):
    ended = acme.submit(task="echo", payload=1)
    acme.result(ended)
    running = acme.submit(task="long_task", payload={"seconds": 60, "steps": 200})
    wait_until(lambda: acme.status(running)["status"] == "STARTED", "the start")
    for task_id in (ended, running):
        before = acme.client.get(f"/api/tasks/{task_id}").json()["priority"]
        status, problem = _change(acme, task_id, priority=9)
        assert (status, problem["code"]) == (409, "illegal_state")
        assert acme.client.get(f"/api/tasks/{task_id}").json()["priority"] == before
    acme.client.post(f"/api/tasks/{running}/cancel")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"priority": 10}, "#/priority"),
        ({"priority": "9"}, "#/priority"),
        ({"scheduled_at": "tomorrow"}, "#/scheduled_at"),
        ({"scheduled_at": "1969-12-31T00:00:00Z"}, "#"),
        ({"scheduled_at": "2999-01-01T00:00:00Z"}, "#"),
        ({"tags": ["x"] * 11}, "#/tags"),
        ({"payload": {}}, "#/payload"),
    ],
)
def test_what_a_submit_would_refuse_is_refused(acme: Tenant, body: dict[str, Any], pointer: str):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    status, problem = _change(acme, task_id, **body)
    assert (status, [fault["pointer"] for fault in problem["errors"]]) == (422, [pointer])
