"""Tests of an endpoint: an example is sent by the process that delivers, and its answer is the answer of the call."""

from collections.abc import Callable
from typing import Any, get_args
from uuid import UUID, uuid4

import httpx
import pytest

from app.webhooks.endpoints import examples
from app.webhooks.endpoints.schemas import EventTypeName
from app.webhooks.schemas import WEBHOOK_EVENT
from tests.conftest import Tenant, wait_until
from tests.webhooks.conftest import Deliverer, Rows
from tests.webhooks.endpoints.conftest import change, create, get
from tests.webhooks.receiver import Handler, Receiver, hang, status

TYPES = get_args(EventTypeName)


@pytest.mark.parametrize("kind", TYPES)
def test_an_example_is_a_valid_event(kind: str):
    endpoint_id = uuid4()
    event = WEBHOOK_EVENT.validate_json(examples.body(kind, endpoint_id, "https://hooks.example.com/"))
    assert event.type == kind
    assert getattr(event.data, "endpoint_id", endpoint_id) == endpoint_id


def _test(tenant: Tenant, endpoint: dict[str, Any], **body: str) -> httpx.Response:
    return tenant.client.post(f"/api/webhooks/endpoints/{endpoint['endpoint_id']}/test", json=body)


def _started(rows: Rows) -> bool:
    # A row that is older was left by a process that another test has killed.
    fresh = "SELECT FROM process_heartbeat WHERE kind = 'webhooks' AND heartbeat_at > now() - interval '2 seconds'"
    return bool(rows.fetch(fresh))


def test_without_a_process_that_delivers_the_call_says_so(tenant: Tenant, rows: Rows, receiver: Receiver):
    rows.fetch("DELETE FROM process_heartbeat WHERE kind = 'webhooks'")
    refused = _test(tenant, create(tenant, f"{receiver.url}/hook"))
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    assert rows.fetch("SELECT FROM delivery") == []


def test_the_answer_of_the_receiver_is_the_answer_of_the_call(
    tenant: Tenant, rows: Rows, receiver: Receiver, start: Callable[..., Deliverer]
):
    start()
    wait_until(lambda: _started(rows), "a heartbeat")
    endpoint = create(tenant, receiver.on("/hook", _busy, status(204)), headers={"X-Shop": "berlin"})
    failed = _test(tenant, endpoint, type="task.failed")
    assert failed.status_code == 200, failed.text
    told = failed.json()
    assert (told["status"], told["response_status"], told["error"]) == ("FAILED", 500, None)
    assert told["response_body"] == "ü" * 2_048 + ""
    assert told["duration_ms"] >= 0
    [request] = receiver.got("/hook")
    event = request.verify(endpoint["secret"])
    assert (event["type"], request.headers["x-shop"]) == ("task.failed", "berlin")
    [row] = rows.fetch("SELECT * FROM delivery WHERE id = $1", UUID(told["delivery_id"]))
    assert (row["attempt"], row["event_seq"], row["task_id"]) == (1, None, None)
    assert request.delivery == f"msg_{row['event_id'].hex}"
    # It is no sign of the endpoint's health, and a disabled one can be tested.
    assert get(tenant, endpoint["endpoint_id"])["failing_since"] is None
    change(tenant, endpoint["endpoint_id"], enabled=False)
    again = _test(tenant, endpoint).json()
    assert (again["status"], again["response_status"], again["response_body"]) == ("DELIVERED", 204, None)
    # The guard is that of every delivery.
    change(tenant, endpoint["endpoint_id"], url="http://127.0.0.2:1/")
    refused = _test(tenant, endpoint).json()
    assert (refused["status"], refused["response_status"]) == ("FAILED", None)
    assert refused["error"] == "The connection was refused."


_WAITING = """
INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, event_type, url, url_key, body, due_at)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 1, $2, 'task.succeeded', 'https://a.example.com/', 'endpoint:' || $2::uuid, '{}',
    now() - interval '1 minute'
FROM generate_series(1, 6000)
"""


def test_a_test_goes_before_thousands_of_deliveries_that_wait_for_an_endpoint_that_hangs(
    tenant: Tenant, rows: Rows, receiver: Receiver, start: Callable[..., Deliverer]
):
    # Its four places are taken, and a rate of one in a second is used up.
    endpoint = create(tenant, receiver.on("/hook", *[hang] * 4, status(204)), rate_per_second=1_000)
    rows.fetch(_WAITING, UUID(tenant.tenant_id), UUID(endpoint["endpoint_id"]))
    start()
    wait_until(lambda: _started(rows), "a heartbeat")
    receiver.wait_for("/hook", 4)
    change(tenant, endpoint["endpoint_id"], rate_per_second=1)
    answer = tenant.client.post(f"/api/webhooks/endpoints/{endpoint['endpoint_id']}/test")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["response_status"]) == ("DELIVERED", 204)
    [request] = receiver.got("/hook")[4:]
    assert request.verify(endpoint["secret"])["type"] == "task.succeeded"


def _busy(handler: Handler) -> None:
    body = ("ü" * 3_000).encode()
    handler.send_response(500)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def test_only_known_types_have_examples(tenant: Tenant):
    refused = _test(tenant, create(tenant), type="task.started")
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "#/type")
    assert tenant.client.post(f"/api/webhooks/endpoints/{uuid4()}/test", json={}).status_code == 404
