"""Deliveries over HTTP: lists and their filters, attempts with answers, one sent again, and what a task says of its own."""

import uuid
from typing import Any

import httpx
import pytest

from app.core import ids
from tests.conftest import Tenant, wait_until
from tests.webhooks.history.conftest import Kept


def _get(tenant: Tenant, path: str = "", **query: Any) -> httpx.Response:
    return tenant.client.get(f"/api/webhooks/deliveries{path}", params=query)


def _ids(tenant: Tenant, **query: Any) -> list[str]:
    response = _get(tenant, **query)
    assert response.status_code == 200, response.text
    return [item["delivery_id"] for item in response.json()["items"]]


def test_deliveries_are_listed_newest_first_page_by_page(kept: Kept, acme: Tenant, globex: Tenant):
    made = [kept.deliver(acme) for _ in range(5)]
    kept.deliver(globex)
    first = _get(acme, limit=2)
    assert 'rel="next"' in first.headers["Link"]
    second = _get(acme, limit=2, cursor=first.json()["next_cursor"])
    third = _get(acme, limit=2, cursor=second.json()["next_cursor"])
    found = [item["delivery_id"] for page in (first, second, third) for item in page.json()["items"]]
    assert found == made[::-1]
    assert third.json()["next_cursor"] is None
    assert "Link" not in third.headers
    refused = _get(globex, cursor=first.json()["next_cursor"])
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_cursor")


def test_every_filter_counts(kept: Kept, acme: Tenant, globex: Tenant):
    endpoint, other = kept.endpoint(acme), kept.endpoint(acme)
    task_id = str(uuid.uuid4())
    failed = kept.deliver(acme, endpoint_id=endpoint, task_id=task_id)
    skipped = kept.deliver(acme, endpoint_id=endpoint, status="SKIPPED", skipped_reason="The endpoint was disabled.")
    elsewhere = kept.deliver(acme, endpoint_id=other, task_id=task_id, event_type="task.failed")
    old = kept.deliver(acme, id=ids.first_id_at(1_000_000_000), status="DELIVERED")
    assert _ids(acme, endpoint=endpoint) == [skipped, failed]
    assert _ids(acme, endpoint=endpoint.upper(), status="FAILED") == [failed]
    assert _ids(acme, status="FAILED,DELIVERED") == [elsewhere, failed, old]
    assert _ids(acme, task_id=task_id) == [elsewhere, failed]
    assert _ids(acme, task_id=task_id, endpoint=other) == [elsewhere]
    assert _ids(acme, task_id=task_id, type="task.failed") == [elsewhere]
    assert _ids(acme, type="task.failed") == [elsewhere]
    assert _ids(acme, since="2001-09-09T01:46:41Z") == [elsewhere, skipped, failed]
    assert _ids(acme, since="2001-09-09T01:46:40Z", status="DELIVERED") == [old]
    assert _ids(acme, endpoint=str(uuid.uuid4())) == []
    # Another tenant's endpoint and task are unknown ones.
    assert _ids(globex, endpoint=endpoint) == _ids(globex, task_id=task_id) == []


@pytest.mark.parametrize(
    "query",
    [{"status": "failed"}, {"status": "FAILED,"}, {"endpoint": "x"}, {"task_id": "x"}, {"type": "task.ended"},
     {"since": "yesterday"}, {"limit": 0}, {"url": "x"}],
)  # fmt: skip
def test_a_filter_that_means_nothing_is_refused(acme: Tenant, query: dict[str, Any]):
    refused = _get(acme, **query)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_a_delivery_shows_its_attempts_with_what_was_answered(kept: Kept, acme: Tenant):
    delivery_id = kept.deliver(acme, status="PENDING", attempt=3)
    kept.attempt(acme, delivery_id, 1, None, error="The connection was refused.")
    kept.attempt(acme, delivery_id, 3, 503, response_body='{"ü": "\\u0000"}')
    found = _get(acme, f"/{delivery_id.upper()}").json()
    assert [(one["attempt"], one["status"], one["error"], one["response_body"]) for one in found["attempts"]] == [
        (1, None, "The connection was refused.", None),
        (3, 503, None, '{"ü": "\\u0000"}'),
    ]
    assert all(one["duration_ms"] == 12 and one["started_at"] for one in found["attempts"])
    facts = {
        name: found[name] for name in ("status", "attempt_count", "last_status", "finished_at", "url", "webhook_id")
    }
    assert facts == {
        "status": "PENDING", "attempt_count": 3, "last_status": 503, "finished_at": None,
        "url": "https://a.example.com/?t=1", "webhook_id": f"msg_{uuid.UUID(delivery_id).hex}",
    }  # fmt: skip
    assert found["next_attempt_at"] is not None
    # In the list it looks the same, without its attempts.
    [listed] = _get(acme).json()["items"]
    assert listed == {name: value for name, value in found.items() if name != "attempts"}


def test_while_an_attempt_runs_no_other_is_announced(kept: Kept, acme: Tenant):
    running = kept.deliver(acme, status="PENDING", attempt=1, claim_token=uuid.uuid4())
    ended = kept.deliver(acme)
    for delivery_id in (running, ended):
        assert _get(acme, f"/{delivery_id}").json()["next_attempt_at"] is None


def test_only_the_latest_hundred_attempts_are_shown(kept: Kept, acme: Tenant):
    delivery_id = kept.deliver(acme, attempt=130)
    for number in range(1, 131):
        kept.attempt(acme, delivery_id, number)
    shown = [one["attempt"] for one in _get(acme, f"/{delivery_id}").json()["attempts"]]
    assert shown == list(range(31, 131))


@pytest.mark.parametrize("status", ["FAILED", "DELIVERED"])
def test_a_delivery_that_has_ended_is_sent_again(kept: Kept, acme: Tenant, status: str):
    delivery_id = kept.deliver(acme, status=status)
    response = acme.client.post(f"/api/webhooks/deliveries/{delivery_id}/resend")
    assert (response.status_code, response.json()) == (202, {"delivery_id": delivery_id, "status": "PENDING"})
    [row] = kept.sql("SELECT *, due_at <= now() AS is_due FROM delivery WHERE id = $1", uuid.UUID(delivery_id))
    assert (row["status"], row["is_due"], row["attempt"], row["schedule_from"], row["finished_at"]) == (
        "PENDING", True, 10, 10, None,
    )  # fmt: skip
    again = acme.client.post(f"/api/webhooks/deliveries/{delivery_id}/resend")
    assert (again.status_code, again.json()["code"]) == (409, "illegal_state")
    assert "PENDING" in again.json()["detail"]


def test_a_delivery_that_cannot_be_sent_now_says_why(kept: Kept, acme: Tenant):
    disabled = kept.deliver(acme, endpoint_id=kept.endpoint(acme, enabled=False))
    deleted = kept.deliver(acme, endpoint_id=uuid.uuid4())
    lost = kept.deliver(acme, status="SKIPPED", body=None)
    for delivery_id, reason in ((disabled, "disabled"), (deleted, "deleted"), (lost, "not kept any more")):
        refused = acme.client.post(f"/api/webhooks/deliveries/{delivery_id}/resend")
        assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")
        assert reason in refused.json()["detail"]


def test_another_tenants_delivery_is_an_unknown_one(kept: Kept, acme: Tenant, globex: Tenant):
    delivery_id = kept.deliver(acme)
    for method, suffix in (("GET", ""), ("POST", "/resend")):
        for name in (delivery_id, str(uuid.uuid4()), "x"):
            response = globex.client.request(method, f"/api/webhooks/deliveries/{name}{suffix}")
            assert (response.status_code, response.json()["detail"]) == (404, "There is no such delivery.")
    assert _get(acme, f"/{delivery_id}").json()["status"] == "FAILED"


def test_a_task_tells_what_became_of_its_events(kept: Kept, acme: Tenant):
    task_id = acme.submit(task="echo", payload=1)
    acme.result(task_id)
    assert acme.client.get(f"/api/tasks/{task_id}").json()["webhooks"] == []
    endpoint = kept.endpoint(acme)
    first = kept.deliver(acme, task_id=task_id, status="PENDING", attempt=2)
    kept.attempt(acme, first, 2, 500)
    second = kept.deliver(acme, task_id=task_id, endpoint_id=endpoint, status="DELIVERED", attempt=1)
    kept.attempt(acme, second, 1, 204)
    found = acme.client.get(f"/api/tasks/{task_id}").json()["webhooks"]
    due = found[1].pop("next_attempt_at")
    assert due is not None
    assert found == [
        {"delivery_id": second, "endpoint_id": endpoint, "type": "task.succeeded", "status": "DELIVERED",
         "attempt_count": 1, "last_status": 204, "next_attempt_at": None},
        {"delivery_id": first, "endpoint_id": None, "type": "task.succeeded", "status": "PENDING", "attempt_count": 2,
         "last_status": 500},
    ]  # fmt: skip


def _start(tenant: Tenant, path: str, body: Any, **headers: str) -> httpx.Response:
    return tenant.client.post(f"/api/webhooks/{path}", json=body, headers=headers)


def test_the_acts_of_repair_run_as_operations(kept: Kept, acme: Tenant):
    endpoint = kept.endpoint(acme)
    failed = kept.deliver(acme, endpoint_id=endpoint)
    delivered = kept.deliver(acme, endpoint_id=endpoint, status="DELIVERED")
    since = {"since": "2020-01-01T00:00:00Z"}
    expected = [
        (f"endpoints/{endpoint}/recover", since, "webhooks.recover", {failed}),
        (f"endpoints/{endpoint}/replay-missing", since, "webhooks.replay_missing", set()),
        ("deliveries/resend", {"filter": {"ids": [delivered]}}, "webhooks.resend", {delivered}),
    ]
    for path, body, kind, sent in expected:
        started = _start(acme, path, body)
        assert started.status_code == 202, started.text
        operation = _ended(acme, started)
        counts = [operation[name] for name in ("kind", "status", "total", "done", "failed", "skipped")]
        assert counts == [kind, "SUCCEEDED", len(sent), len(sent), 0, 0]
        assert set(_ids(acme, status="PENDING")) == sent
        kept.sql("UPDATE delivery SET status = 'DELIVERED', finished_at = now() WHERE status = 'PENDING'")


def _ended(tenant: Tenant, started: httpx.Response) -> dict[str, Any]:
    def found() -> dict[str, Any]:
        return dict(tenant.client.get(started.headers["Location"]).json())

    wait_until(lambda: found()["status"] != "RUNNING", "the end of the operation")
    return found()


def test_an_operation_at_a_disabled_or_unknown_endpoint_is_refused(kept: Kept, acme: Tenant, globex: Tenant):
    endpoint, body = kept.endpoint(acme, enabled=False), {"since": "2020-01-01T00:00:00Z"}
    for act in ("recover", "replay-missing"):
        refused = _start(acme, f"endpoints/{endpoint}/{act}", body)
        assert (refused.status_code, refused.json()["code"]) == (409, "illegal_state")
        for tenant, name in ((globex, endpoint), (acme, uuid.uuid4()), (acme, "x")):
            unknown = _start(tenant, f"endpoints/{name}/{act}", body)
            assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("endpoints/{}/recover", {}),
        ("endpoints/{}/recover", {"since": "2020-01-02T00:00:00Z", "until": "2020-01-01T00:00:00Z"}),
        ("endpoints/{}/recover", {"since": "2020-01-01T00:00:00Z", "before": "2020-01-01T00:00:00Z"}),
        ("endpoints/{}/replay-missing", {"since": None}),
        ("deliveries/resend", {"filter": {}}),
        ("deliveries/resend", {"filter": {"all": True, "type": "task.failed"}}),
        ("deliveries/resend", {"filter": {"statuses": ["PENDING"]}}),
        ("deliveries/resend", {"filter": {"statuses": []}}),
        ("deliveries/resend", {"filter": {"ids": ["x"]}}),
        ("deliveries/resend", {"filter": {"type": "task.ended"}}),
        ("deliveries/resend", {"filter": {"task": "echo"}}),
        ("deliveries/resend", {"filter": {"ids": [str(uuid.UUID(int=n)) for n in range(1_001)]}}),
    ],
)
def test_a_request_that_does_not_say_what_it_means_is_refused(kept: Kept, acme: Tenant, path: str, body: Any):
    refused = _start(acme, path.format(kept.endpoint(acme)), body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def test_a_repeat_with_the_same_key_is_answered_with_the_same_operation(kept: Kept, acme: Tenant):
    path, body, key = f"endpoints/{kept.endpoint(acme)}/recover", {"since": "2020-01-01T00:00:00Z"}, uuid.uuid4().hex
    first, again = (_start(acme, path, body, **{"Idempotency-Key": key}) for _ in range(2))
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json()["operation_id"] == first.json()["operation_id"]
    other = _start(acme, f"endpoints/{kept.endpoint(acme)}/recover", body, **{"Idempotency-Key": key})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_mismatch")
    _ended(acme, first)


def test_who_may_only_read_webhooks_sends_nothing_again(kept: Kept, acme: Tenant):
    delivery_id = kept.deliver(acme)
    made = acme.client.post("/api/keys", json={"name": "reads", "scopes": ["webhooks:read"]}).json()
    headers = {"X-API-Key": made["api_key"]}
    with httpx.Client(base_url=str(acme.client.base_url), headers=headers, trust_env=False) as reader:
        assert reader.get(f"/api/webhooks/deliveries/{delivery_id}").status_code == 200
        assert reader.get("/api/webhooks/metrics").status_code == 200
        assert reader.post(f"/api/webhooks/deliveries/{delivery_id}/resend").status_code == 403
        assert reader.post("/api/webhooks/deliveries/resend", json={"filter": {"all": True}}).status_code == 403
