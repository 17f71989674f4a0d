"""The webhook of a task that its tenant has erased: it is sent, once, and without what was erased."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from tests.conftest import Tenant
from tests.webhooks.conftest import Deliverer, Rows
from tests.webhooks.receiver import Receiver, status

SECRET = "a-secret-of-the-customer"


def _end(tenant: Tenant, url: str) -> str:
    task_id = tenant.submit(task="echo", payload=SECRET, tags=[SECRET], webhook_url=url)
    assert tenant.result(task_id)["result"] == SECRET
    return task_id


def _erase(tenant: Tenant, task_id: str) -> None:
    assert tenant.client.delete(f"/api/tasks/{task_id}").status_code == 200


def _data(task_id: str) -> dict[str, Any]:
    return {
        "task_id": task_id, "task": "echo", "status": "SUCCESS", "result": None, "result_omitted": True,
        "attempt_count": 1, "tags": [],
    }  # fmt: skip


def test_a_delivery_that_was_made_keeps_nothing_of_it_and_is_not_sent_again(
    acme: Tenant, rows: Rows, receiver: Receiver, start: Callable[..., Deliverer]
):
    start()
    task_id = _end(acme, receiver.on("/sent", status(204)))
    receiver.wait_for("/sent")
    rows.wait_for(UUID(task_id), "DELIVERED")
    assert receiver.got("/sent")[0].verify(acme.webhook_secret)["data"]["result"] == SECRET
    _erase(acme, task_id)
    assert SECRET not in rows.delivery(UUID(task_id))["body"]
    # The next end of the tenant is delivered, and brings nothing of this one with it.
    _end(acme, receiver.on("/next", status(204)))
    receiver.wait_for("/next")
    assert len(receiver.got("/sent")) == 1


def test_a_delivery_that_failed_is_tried_again_without_the_result(
    acme: Tenant, rows: Rows, receiver: Receiver, start: Callable[..., Deliverer]
):
    start()
    task_id = _end(acme, receiver.on("/again", status(500), status(204)))
    rows.wait_for_attempts(UUID(task_id))
    _erase(acme, task_id)
    rows.make_due(UUID(task_id))
    first, second = receiver.wait_for("/again", 2)
    assert second.verify(acme.webhook_secret)["data"] == _data(task_id)
    assert first.delivery == second.delivery


def test_an_event_without_a_delivery_is_sent_without_the_result(
    acme: Tenant, rows: Rows, receiver: Receiver, start: Callable[..., Deliverer]
):
    task_id = _end(acme, receiver.on("/late", status(204)))
    _erase(acme, task_id)
    start()
    [received] = receiver.wait_for("/late")
    assert received.verify(acme.webhook_secret)["data"] == _data(task_id)
    assert rows.wait_for(UUID(task_id), "DELIVERED")
