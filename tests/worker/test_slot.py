"""What a slot claims ahead never waits behind a task that turns out to be long."""

from tests.conftest import Tenant, wait_until


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
