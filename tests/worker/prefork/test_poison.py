"""Tasks that would end a worker end themselves: the worker and other tasks go on."""

from datetime import datetime

import pytest

from tests.conftest import Tenant


@pytest.mark.parametrize(
    ("task", "error_type"),
    [
        ("test.os_exit", "TaskCrashed"),
        ("test.memory_error", "TaskCrashed"),
        ("test.recursion", "TaskCrashed"),
        ("test.large_result", "UnusableResult"),
        ("test.surrogate", "UnusableResult"),
        ("test.not_serialisable", "UnusableResult"),
        ("test.unpicklable", "Unpicklable"),
        ("test.deaf_to_limits", "TimeLimitExceeded"),
    ],
)
def test_a_poisonous_task_fails_alone(acme: Tenant, globex: Tenant, task: str, error_type: str):
    poison = acme.submit(task=task)
    others = [globex.submit(task="echo", payload=n) for n in range(4)]
    ended = acme.result(poison)
    assert (ended["status"], ended["error"]["type"]) == ("FAILURE", error_type)
    assert ended["error"]["message"]
    assert [globex.result(other)["result"] for other in others] == [0, 1, 2, 3]
    assert len(acme.client.get(f"/api/tasks/{poison}").json()["attempts"]) == 1


def test_a_killed_child_is_known_at_once_and_its_attempt_counts(acme: Tenant):
    task_id = acme.submit(task="test.killed", payload={"a": 2, "b": 0})
    assert acme.result(task_id)["result"] == 3
    attempts = acme.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    assert [(a["status"], (a["error"] or {}).get("type")) for a in attempts] == [
        ("FAILURE", "TaskCrashed"), ("FAILURE", "TaskCrashed"), ("SUCCESS", None),
    ]  # fmt: skip
    for attempt in attempts[:2]:
        begun, ended = (datetime.fromisoformat(attempt[name]) for name in ("started_at", "finished_at"))
        assert (ended - begun).total_seconds() < 3


def test_a_task_that_kills_every_child_ends_after_max_attempts(acme: Tenant):
    task_id = acme.submit(task="test.killed", payload={"a": 99, "b": 0}, max_attempts=2)
    ended = acme.result(task_id)
    assert (ended["status"], ended["error"]["type"], ended["error"]["attempt"]) == ("FAILURE", "TaskCrashed", 2)
