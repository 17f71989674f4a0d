"""Real workers keep the last free slot for others; a tenant with long tasks waits for its own."""

from collections.abc import Callable
from itertools import pairwise

import pytest

from tests.conftest import Tenant, wait_until

pytestmark = pytest.mark.usefixtures("quiet_stack")


def test_three_long_tasks_of_one_tenant_let_an_urgent_one_of_another_start(make_tenant: Callable[..., Tenant]):
    fred, bravo = make_tenant("slots-fred"), make_tenant("slots-bravo")
    long = [fred.submit(task="long_task", payload={"seconds": 600, "steps": 600}) for _ in range(3)]
    wait_until(lambda: any(fred.status(task_id)["status"] == "STARTED" for task_id in long), "a long task to start")
    assert bravo.result(bravo.submit(task="echo", payload=1, priority=9))["status"] == "SUCCESS"
    statuses = [fred.status(task_id) for task_id in long]
    assert sorted(status["status"] for status in statuses) == ["PENDING", "PENDING", "STARTED"]
    assert {status["waiting_reason"] for status in statuses} == {None, "TENANT_CONCURRENCY"}
    for task_id in long:
        fred.client.post(f"/api/tasks/{task_id}/cancel")
        assert fred.result(task_id)["status"] == "REVOKED"


def test_what_a_long_tasks_slot_was_kept_from_starts_when_it_ends(make_tenant: Callable[..., Tenant]):
    tenant = make_tenant("slots-gina")
    tasks = [tenant.submit(task="long_task", payload={"seconds": 1.2, "steps": 1}) for _ in range(3)]
    assert {tenant.result(task_id)["status"] for task_id in tasks} == {"SUCCESS"}
    # One after the other, though two slots were free: the second one was kept from this tenant all the time.
    runs = sorted(
        (attempt["started_at"], attempt["finished_at"])
        for task_id in tasks
        for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]
    )
    assert all(finished <= started for (_, finished), (started, _) in pairwise(runs))
