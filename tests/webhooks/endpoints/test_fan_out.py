"""The deliveries that a fan-out makes for endpoints. No process delivers here, so each test sees what it has made."""

import asyncio
import json
import threading
import uuid
from typing import Any

import asyncpg
import pytest

from app.webhooks.schemas import WEBHOOK_EVENT
from tests.conftest import Tenant, role_url
from tests.webhooks.conftest import Rows, TaskEnded, ended
from tests.webhooks.endpoints.conftest import change, create


@pytest.fixture
def tenant_id(tenant: Tenant, rows: Rows) -> uuid.UUID:
    """The tenant's id, and a database without deliveries."""
    return uuid.UUID(tenant.tenant_id)


def _deliveries(rows: Rows, endpoint: dict[str, Any]) -> list[asyncpg.Record]:
    return rows.fetch("SELECT * FROM delivery WHERE endpoint_id = $1 ORDER BY id", uuid.UUID(endpoint["endpoint_id"]))


def _end(tenant_id: uuid.UUID, **changes: Any) -> TaskEnded:
    return ended(tenant_id, None, **changes)


def test_an_endpoint_gets_what_its_types_and_its_filter_ask_for(tenant: Tenant, tenant_id: uuid.UUID, rows: Rows):
    failures = create(tenant, event_types=["task.failed"])
    echo = create(tenant, filter={"tasks": ["echo"]})
    red = create(tenant, filter={"tags": ["red", "pink"]})
    red_echo = create(tenant, filter={"tasks": ["echo"], "tags": ["red"]})
    own = create(tenant, event_types=["endpoint.disabled"], filter={"tasks": ["echo"]})
    ends = {
        "fails": _end(tenant_id, task="add", status="FAILURE", result=None, tags=[]),
        "echo": _end(tenant_id, tags=["blue"]),
        "pink": _end(tenant_id, task="add", tags=["blue", "pink"]),
        "red": _end(tenant_id, tags=["red"]),
    }
    rows.emit(*ends.values())
    names = {end.task_id: name for name, end in ends.items()}

    def got(endpoint: dict[str, Any]) -> set[str]:
        return {names[row["task_id"]] for row in _deliveries(rows, endpoint)}

    assert (got(failures), got(echo), got(red), got(red_echo)) == ({"fails"}, {"echo", "red"}, {"pink", "red"}, {"red"})
    # A filter is about tasks: other events pass it.
    change(tenant, failures["endpoint_id"], enabled=False)
    rows.fan_out(tenant_id)
    [told] = _deliveries(rows, own)
    assert (told["event_type"], told["task_id"]) == ("endpoint.disabled", None)


def test_a_quota_that_is_reached_and_a_key_that_expires_are_events_of_their_tenant_alone(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, acme: Tenant
):
    # A filter is about tasks, so it keeps neither back.
    both = create(tenant, event_types=["quota.reached", "key.expiring"], filter={"tasks": ["other"]})
    quotas = create(tenant, event_types=["quota.reached"])
    made = tenant.client.post("/api/keys", json={"name": "ci", "scopes": ["tasks:read"], "expires_days": 3})
    assert made.status_code == 201, made.text
    # As a submit and as the dispatcher call them, which may have told of the key before this.
    rows.fetch(
        "SELECT quotas_reached($1, 1, 8, 8, 10, -1) FROM (SELECT set_config('app.tenant_ids', $2, false)) AS scope",
        tenant_id, f"{{{tenant_id}}}",
    )  # fmt: skip
    rows.fetch("SELECT keys_expiring(p_ahead => interval '7 days', p_limit => 100)")
    rows.fan_out(tenant_id)
    bodies = {row["event_type"]: json.loads(row["body"]) for row in _deliveries(rows, both)}
    assert set(bodies) == {"quota.reached", "key.expiring"}
    assert {row["event_type"] for row in _deliveries(rows, quotas)} == {"quota.reached"}
    told = {kind: body["data"] for kind, body in bodies.items()}
    assert {name: told["quota.reached"][name] for name in ("quota", "percent", "used", "limit")} == {
        "quota": "day", "percent": 80, "used": 8, "limit": 10,
    }  # fmt: skip
    key = made.json()
    assert told["key.expiring"]["key_id"] == key["key_id"]
    assert told["key.expiring"]["name"] == "ci"
    for kind, body in bodies.items():
        assert WEBHOOK_EVENT.validate_python(body).type == kind
        [event] = tenant.client.get("/api/events", params={"type": kind}).json()["items"]
        assert event["data"] == body["data"]
        of_another = acme.client.get("/api/events", params={"type": kind}).json()["items"]
        assert event["id"] not in {item["id"] for item in of_another}
        assert event["data"] not in [item["data"] for item in of_another]


def test_an_attempt_that_failed_is_an_event_of_that_attempt(tenant: Tenant, tenant_id: uuid.UUID, rows: Rows):
    endpoint = create(tenant, event_types=["task.retrying", "task.succeeded"])
    end = _end(tenant_id, attempt_count=2)
    rows.store(end)
    rows.fetch(
        "INSERT INTO attempt (tenant_id, task_id, attempt, claim_token, worker_id, deadline_at, status, finished_at, error)"
        " VALUES ($1, $2, 1, gen_random_uuid(), gen_random_uuid(), now(), 'FAILURE', now(), $3)",
        tenant_id, end.task_id, '{"type": "E", "message": "m", "attempt": 1}',
    )  # fmt: skip
    rows.fetch(
        "INSERT INTO event (tenant_id, seq, type, subject, attempt, webhook_seq) SELECT $1, event_seq + 1, 4, $2, 1,"
        " event_seq + 1 FROM tenant_slots WHERE tenant_id = $1", tenant_id, end.task_id,
    )  # fmt: skip
    rows.fetch(
        "UPDATE tenant_slots SET event_seq = event_seq + 1, webhook_seq = event_seq + 1 WHERE tenant_id = $1", tenant_id
    )
    rows.fan_out(tenant_id)
    bodies = {row["event_type"]: json.loads(row["body"]) for row in _deliveries(rows, endpoint)}
    assert bodies["task.retrying"]["data"] == {
        "task_id": str(end.task_id), "task": "echo", "status": "RETRY", "error": {"type": "E", "message": "m", "attempt": 1},
        "attempt_count": 1, "tags": ["a", "ü"],
    }  # fmt: skip
    assert bodies["task.succeeded"]["data"]["attempt_count"] == 2


def test_events_before_an_endpoint_are_not_for_it(tenant: Tenant, tenant_id: uuid.UUID, rows: Rows):
    create(tenant)
    rows.store(_end(tenant_id))
    late = create(tenant)
    rows.emit(_end(tenant_id))
    assert len(_deliveries(rows, late)) == 1


def test_a_fan_out_takes_fewer_events_of_a_tenant_with_more_endpoints(tenant: Tenant, tenant_id: uuid.UUID, rows: Rows):
    endpoints = [create(tenant) for _ in range(3)]
    rows.store(*[_end(tenant_id) for _ in range(5)])
    made = []
    while True:
        [page] = rows.fan_out(tenant_id, limit=6)
        made.append(page["made"])
        if not page["has_more"]:
            break
    assert made == [6, 6, 3]
    assert [len(_deliveries(rows, endpoint)) for endpoint in endpoints] == [5, 5, 5]


def test_two_fan_outs_at_once_make_each_delivery_once(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, environment: dict[str, str]
):
    endpoints = [create(tenant) for _ in range(2)]
    rows.store(*[_end(tenant_id) for _ in range(40)])
    start = threading.Barrier(2)

    async def work() -> None:
        connection = await asyncpg.connect(role_url(environment, "tq_webhook"))
        start.wait()
        try:
            while any(
                row["has_more"]
                for row in await connection.fetch("SELECT * FROM webhook_fan_out($1, 4, 'off')", [tenant_id])
            ):
                pass
        finally:
            await connection.close()

    threads = [threading.Thread(target=lambda: asyncio.run(work())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while [row for row in rows.fan_out(tenant_id) if row["has_more"]]:
        pass
    for endpoint in endpoints:
        made = _deliveries(rows, endpoint)
        assert len(made) == len({row["event_id"] for row in made}) == 40
    # The cursor set back: everything is made again, with the same ids.
    rows.fetch("UPDATE webhook_cursor SET seq = 0 WHERE tenant_id = $1", tenant_id)
    while [row for row in rows.fan_out(tenant_id) if row["has_more"]]:
        pass
    assert len(_deliveries(rows, endpoints[0])) == 40
