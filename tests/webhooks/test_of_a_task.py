"""From a submit with a webhook_url to the event that its tenant verifies, through every part."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from standardwebhooks import WebhookVerificationError

from tests.conftest import Tenant, wait_until
from tests.webhooks.conftest import Deliverer, Rows
from tests.webhooks.receiver import Receiver, hang, status


@pytest.fixture(autouse=True)
def deliverer(start: Callable[..., Deliverer]) -> Deliverer:
    """A process that delivers."""
    return start()


def _submit(tenant: Tenant, url: str, **body: Any) -> str:
    return tenant.submit(webhook_url=url, **{"task": "echo", "payload": {"n": 1}} | body)


def test_the_end_of_a_task_is_sent_and_verifies(acme: Tenant, globex: Tenant, receiver: Receiver):
    task_id = _submit(acme, receiver.on("/hook", status(204)), tags=["order-42"])
    [received] = receiver.wait_for("/hook")
    event = received.verify(acme.webhook_secret)
    finished_at = acme.status(task_id)["finished_at"]
    assert datetime.fromisoformat(event.pop("timestamp")) == datetime.fromisoformat(finished_at)
    assert event == {
        "type": "task.succeeded",
        "data": {
            "task_id": task_id, "task": "echo", "status": "SUCCESS", "result": {"n": 1}, "attempt_count": 1,
            "tags": ["order-42"],
        },
    }  # fmt: skip
    received.body = received.body.replace(b'"n":1', b'"n":2')
    with pytest.raises(WebhookVerificationError):
        received.verify(acme.webhook_secret)
    with pytest.raises(WebhookVerificationError):
        receiver.got("/hook")[0].verify(globex.webhook_secret)


def test_a_failure_and_a_cancel_are_sent_as_such(acme: Tenant, receiver: Receiver):
    failed = _submit(acme, receiver.on("/failed", status(200)), task="test.fails", payload={"a": 1, "b": 1})
    waiting = _submit(acme, receiver.on("/waiting", status(200)), delay_seconds=600)
    expired = _submit(acme, receiver.on("/expired", status(200)), delay_seconds=600, expires_seconds=0.2)
    running = _submit(acme, receiver.on("/running", status(200)), task="test.deaf", payload={})
    wait_until(lambda: acme.status(running)["status"] == "STARTED", "the start")
    for task_id in (waiting, running):
        acme.client.post(f"/api/tasks/{task_id}/cancel")
    ends = {
        path: receiver.wait_for(path)[0].verify(acme.webhook_secret)
        for path in ("/failed", "/waiting", "/expired", "/running")
    }
    assert {path: (end["type"], end["data"]["error"]["type"]) for path, end in ends.items()} == {
        "/failed": ("task.failed", "ValueError"),
        "/waiting": ("task.revoked", "Cancelled"),
        "/expired": ("task.revoked", "Expired"),
        "/running": ("task.revoked", "Cancelled"),
    }
    assert [end["data"]["task_id"] for end in ends.values()] == [failed, waiting, expired, running]


def test_a_task_that_is_tried_three_times_is_one_event(acme: Tenant, receiver: Receiver, rows: Rows):
    task_id = _submit(acme, receiver.on("/grows", status(204)), task="test.grows", payload={})
    [received] = receiver.wait_for("/grows")
    assert received.verify(acme.webhook_secret)["data"]["attempt_count"] == 3
    assert len(rows.fetch("SELECT FROM delivery WHERE task_id = $1", task_id)) == 1


def test_an_endpoint_that_hangs_delays_no_task_and_no_other_endpoint(acme: Tenant, receiver: Receiver):
    receiver.on("/hangs", hang)
    for _ in range(20):
        _submit(acme, f"{receiver.url}/hangs")
    receiver.wait_for("/hangs")
    began = time.monotonic()
    assert acme.result(_submit(acme, receiver.on("/answers", status(204))))["status"] == "SUCCESS"
    receiver.wait_for("/answers", seconds=5)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com:8080/\n", "ftp://example.com", "https://169.254.169.254/latest", "https://db.internal/",
     "https://user:password@example.com/", "http://2130706433/", "https://example.com/#fragment", "", "https://"],
)  # fmt: skip
def test_a_url_that_no_event_may_go_to_is_refused(acme: Tenant, url: str):
    refused = acme.client.post("/api/tasks/submit", json={"task": "echo", "webhook_url": url})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == "#/webhook_url"
    assert "password" not in refused.text.replace("user name, password", "")


def test_the_retry_of_a_task_is_sent_to_the_same_url(acme: Tenant, receiver: Receiver):
    task_id = _submit(acme, receiver.on("/again", status(204)))
    acme.result(task_id)
    again = acme.client.post(f"/api/tasks/{task_id}/retry").json()["task_id"]
    ids = [received.verify(acme.webhook_secret)["data"]["task_id"] for received in receiver.wait_for("/again", 2)]
    assert sorted(ids) == sorted([task_id, again])
    assert len({received.delivery for received in receiver.got("/again")}) == 2
