"""A task with its result, for those who ask for it."""

from tests.conftest import Tenant


def test_a_task_has_its_result_when_it_is_asked_for(acme: Tenant):
    task_id = acme.submit(task="echo", payload={"number": 9007199254740993, "text": "ü"})
    acme.result(task_id)
    plain = acme.client.get(f"/api/tasks/{task_id}")
    whole = acme.client.get(f"/api/tasks/{task_id}", params={"include": "result"})
    assert "result" not in plain.json()
    assert whole.json() == plain.json() | {"result": {"number": 9007199254740993, "text": "ü"}}


def test_a_task_without_a_result_has_null(acme: Tenant):
    task_id = acme.submit(task="echo", payload=1, delay_seconds=3600)
    whole = acme.client.get(f"/api/tasks/{task_id}", params={"include": "result"}).json()
    assert (whole["status"], whole["result"]) == ("PENDING", None)


def test_nothing_else_can_be_included(acme: Tenant):
    answer = acme.client.get(f"/api/tasks/{acme.submit(delay_seconds=3600)}", params={"include": "payload"})
    assert (answer.status_code, answer.json()["errors"][0]["parameter"]) == (422, "include")
