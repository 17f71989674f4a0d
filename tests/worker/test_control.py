"""Code that decides itself what follows: TaskRetry, TaskFailure and TaskSnooze, run by a real worker."""

from typing import Any

import pytest

from tests.conftest import Tenant, wait_until


def _ended(tenant: Tenant, **payload: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    task_id = tenant.submit(task="test.control", payload=payload)
    return tenant.result(task_id), tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]


def _told(attempts: list[dict[str, Any]]) -> list[tuple[str, str | None]]:
    return [(attempt["status"], attempt["error"] and attempt["error"]["type"]) for attempt in attempts]


def test_a_retry_that_the_code_asks_for_comes_whatever_the_type_retries(acme: Tenant):
    ended, attempts = _ended(acme, raises="retry", after=0.2, times=2)
    assert (ended["status"], ended["result"]) == ("SUCCESS", 3)
    assert _told(attempts) == [("FAILURE", "TaskRetry"), ("FAILURE", "TaskRetry"), ("SUCCESS", None)]


def test_a_retry_that_the_code_asks_for_counts(acme: Tenant):
    ended, attempts = _ended(acme, raises="retry", after=0, times=9)
    assert (ended["status"], ended["error"]["type"], len(attempts)) == ("FAILURE", "TaskRetry", 3)


def test_a_retry_shows_the_error_that_was_its_cause(acme: Tenant):
    _, attempts = _ended(acme, raises="retry from", after=0.1, times=1)
    assert _told(attempts) == [("FAILURE", "ConnectionError"), ("SUCCESS", None)]
    assert attempts[0]["error"]["message"] == "no route"


def test_a_failure_that_the_code_asks_for_ends_the_task_at_once(acme: Tenant):
    ended, attempts = _ended(acme, raises="failure", times=9)
    assert (ended["status"], ended["error"]["type"], len(attempts)) == ("FAILURE", "TaskFailure", 1)
    assert ended["error"]["message"] == "the card was declined"


def test_a_snoozed_task_runs_again_uncounted(acme: Tenant):
    ended, attempts = _ended(acme, raises="snooze", after=1, times=4)
    assert (ended["status"], ended["result"]) == ("SUCCESS", 5)
    assert _told(attempts) == [("RETURNED", "TaskSnooze")] * 4 + [("SUCCESS", None)]


def test_a_snoozed_task_waits_for_its_time(acme: Tenant):
    task_id = acme.submit(task="test.control", payload={"raises": "snooze", "after": 600, "times": 1})
    wait_until(lambda: (acme.status(task_id)["attempt"], acme.status(task_id)["status"]) == (1, "PENDING"), "a snooze")
    status = acme.status(task_id)
    assert (status["waiting_reason"], status["error"]["type"]) == ("SCHEDULED", "TaskSnooze")
    assert acme.client.post(f"/api/tasks/{task_id}/cancel").json()["status"] == "REVOKED"


@pytest.mark.parametrize(("raises", "after"), [("retry", -1), ("retry", 1e9), ("snooze", 0.5), ("snooze", 1e9)])
def test_a_delay_beyond_its_bounds_is_an_error_of_the_code(acme: Tenant, raises: str, after: float):
    ended, attempts = _ended(acme, raises=raises, after=after, times=9)
    assert (ended["error"]["type"], len(attempts)) == ("ValueError", 1)
    assert ended["error"]["message"].startswith("after must be from ")
