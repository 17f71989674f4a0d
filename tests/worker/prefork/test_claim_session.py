"""What a slot claims ahead never waits behind a task that turns out to be long."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import Stack, Tenant, wait_until


@pytest.fixture
def four_slots(stack: Stack) -> Iterator[None]:
    """A second worker: of two slots a tenant with a long task has one, and its short ones wait for that."""
    stack.start_worker("another")
    stack.wait_for_workers(2)
    yield
    stack.stop("another")
    stack.wait_for_workers(1)


@pytest.mark.usefixtures("four_slots")
def test_short_tasks_are_not_held_behind_a_long_one(acme: Tenant):
    # From these the slots learn that this tenant's tasks are short.
    for task_id in [acme.submit(task="echo", payload=n) for n in range(30)]:
        acme.result(task_id)
    long = {"task": "test.sleep", "payload": {"a": 15, "b": 1}}
    short = [{"task": "echo", "payload": n} for n in range(40)]
    answer = acme.client.post("/api/tasks/batch", json={"tasks": [*short[:3], long, *short[3:]]})
    assert answer.status_code == 202
    ids = [outcome["task_id"] for outcome in answer.json()["outcomes"]]
    sleeper = ids.pop(3)
    assert [acme.result(task_id)["result"] for task_id in ids] == list(range(40))
    assert acme.status(sleeper)["status"] == "STARTED"
    assert acme.client.post(f"/api/tasks/{sleeper}/cancel").status_code == 202
    wait_until(lambda: acme.status(sleeper)["status"] == "REVOKED", "the end of the sleeper")
    # What was given back is told, and counts for nothing.
    attempts = [acme.client.get(f"/api/tasks/{task_id}").json()["attempts"] for task_id in ids]
    assert {tuple(one["status"] for one in of_one)[-1] for of_one in attempts} == {"SUCCESS"}
    assert {one["status"] for of_one in attempts for one in of_one} <= {"SUCCESS", "RETURNED"}


@pytest.mark.usefixtures("quiet_stack")
def test_tenants_that_share_a_claim_do_not_wait_for_a_long_task_of_one_of_them(
    acme: Tenant, globex: Tenant, make_tenant: Callable[..., Tenant]
):
    others = [globex, *(make_tenant(f"shares-with-a-sleeper-{number}") for number in range(4))]
    # From these the slots learn that tasks are short: they take the next tenants in the ring together.
    for tenant in [acme, *others]:
        for task_id in [tenant.submit(task="echo", payload=n) for n in range(10)]:
            tenant.result(task_id)
    before = [tenant.submit(task="echo", payload=n) for n in range(6) for tenant in others]
    sleeper = acme.submit(task="test.sleep", payload={"a": 15, "b": 1})
    after = [tenant.submit(task="echo", payload=n) for n in range(6, 12) for tenant in others]
    expected = [n for n in range(12) for _ in others]
    seen = [tenant.result(task_id)["result"] for tenant, task_id in zip(others * 12, before + after, strict=True)]
    assert seen == expected
    assert acme.status(sleeper)["status"] == "STARTED"
    assert acme.client.post(f"/api/tasks/{sleeper}/cancel").status_code == 202
    wait_until(lambda: acme.status(sleeper)["status"] == "REVOKED", "the end of the sleeper")


@pytest.mark.usefixtures("quiet_stack")
def test_tenants_with_short_tasks_share_claims(acme: Tenant, make_tenant: Callable[..., Tenant]):
    tenants = [make_tenant(f"shares-a-claim-{number}") for number in range(6)]
    # Both slots are taken while a backlog forms, the last one by another tenant, of which nobody knows yet.
    sleepers = [
        (each, each.submit(task="test.doze", payload={"a": 5, "b": 0})) for each in (acme, make_tenant("sleeps"))
    ]
    wait_until(lambda: {each.status(one)["status"] for each, one in sleepers} == {"STARTED"}, "both sleepers")
    tasks = {"tasks": [{"task": "echo", "payload": n} for n in range(10)]}
    # As batches, so that all of them wait before a slot is free.
    answers = [(tenant, tenant.client.post("/api/tasks/batch", json=tasks).json()) for tenant in tenants]
    waiting = [(tenant, outcome["task_id"]) for tenant, answer in answers for outcome in answer["outcomes"]]
    claimed_by: dict[str, set[str]] = {}
    for tenant, task_id in waiting:
        tenant.result(task_id)
        for attempt in tenant.client.get(f"/api/tasks/{task_id}").json()["attempts"]:
            # What one statement claims begins at the same microsecond.
            claimed_by.setdefault(attempt["started_at"], set()).add(tenant.slug)
    assert max(map(len, claimed_by.values())) > 1
