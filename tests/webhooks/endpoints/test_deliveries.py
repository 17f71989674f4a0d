"""What endpoints get: the fan-out, the claim, signatures, headers, rates, and what failures lead to."""

import asyncio
import json
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from standardwebhooks import WebhookVerificationError

from app.core import secrets
from app.core.crypto import SealBroken
from app.db import Database
from app.tenants import webhook_secrets
from app.tenants.sealed_values import ENDPOINT_HEADERS, ENDPOINT_SECRET
from app.webhooks.attempt_store import EndedAttempt
from app.webhooks.delivery.recorder import DISABLED_AFTER, FAILING_AFTER, Recorder
from app.webhooks.store import DeliveryClaim
from tests.conftest import Tenant, role_url, wait_until
from tests.webhooks.conftest import Deliverer, Rows, TaskEnded, ended
from tests.webhooks.endpoints.conftest import change, create, get
from tests.webhooks.receiver import Handler, Receiver, status


@pytest.fixture(scope="module")
def deliverer(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deliverer]:
    """One process for the tests here that send."""
    settings = environment | {"WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
    made = Deliverer(settings, tmp_path_factory.mktemp("endpoints") / "log")
    yield made
    made.kill()
    assert '"level": "ERROR"' not in made.log.read_text()


@pytest.fixture
def tenant_id(tenant: Tenant, rows: Rows) -> uuid.UUID:
    """The tenant's id, and a database without deliveries."""
    return uuid.UUID(tenant.tenant_id)


def _hang_and_fail(handler: Handler) -> None:
    handler.hang()
    status(500)(handler)


def _deliveries(rows: Rows, endpoint: dict[str, Any]) -> list[asyncpg.Record]:
    return rows.fetch("SELECT * FROM delivery WHERE endpoint_id = $1 ORDER BY id", uuid.UUID(endpoint["endpoint_id"]))


def _wait_for(rows: Rows, endpoint: dict[str, Any], *statuses: str) -> list[asyncpg.Record]:
    wait_until(lambda: [row["status"] for row in _deliveries(rows, endpoint)] == list(statuses), f"{statuses}", 10)
    return _deliveries(rows, endpoint)


def _end(tenant_id: uuid.UUID, **changes: Any) -> TaskEnded:
    return ended(tenant_id, None, **changes)


@pytest.mark.usefixtures("deliverer")
def test_one_event_goes_to_each_endpoint_signed_by_its_own_secret_with_its_own_headers(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    first = create(tenant, f"{receiver.url}/first?a=1", headers={"X-Shop": "berlin", "accept": "mine"})
    second = create(tenant, f"{receiver.url}/second")
    rows.emit(ended(tenant_id, f"{receiver.url}/url"))
    url_secret = tenant.client.get("/api/webhooks/secret").json()["secret"]
    got = {name: receiver.wait_for(f"/{name}")[0] for name in ("first", "second", "url")}
    signed_by = {"first": first["secret"], "second": second["secret"], "url": url_secret}
    for name, secret in signed_by.items():
        assert got[name].verify(secret)["type"] == "task.succeeded"
        for other in set(signed_by.values()) - {secret}:
            with pytest.raises(WebhookVerificationError):
                got[name].verify(other)
    assert len({one.delivery for one in got.values()}) == 1
    assert len({one.body for one in got.values()}) == 1
    assert (got["first"].headers["x-shop"], got["first"].headers["accept"]) == ("berlin", "mine")
    assert "x-shop" not in got["second"].headers
    _wait_for(rows, first, "DELIVERED")


@pytest.mark.usefixtures("deliverer")
def test_a_disabled_endpoint_skips_its_events_and_gets_the_next_ones(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    endpoint = create(tenant, f"{receiver.url}/hook", enabled=False)
    rows.emit(_end(tenant_id))
    [skipped] = _wait_for(rows, endpoint, "SKIPPED")
    assert (skipped["body"], skipped["attempt"], skipped["skipped_reason"]) == (None, 0, "off")
    assert skipped["finished_at"] is not None
    change(tenant, endpoint["endpoint_id"], enabled=True)
    rows.emit(_end(tenant_id))
    _wait_for(rows, endpoint, "SKIPPED", "DELIVERED")
    assert len(receiver.got("/hook")) == 1


@pytest.mark.usefixtures("deliverer")
def test_what_waits_is_skipped_if_its_endpoint_is_disabled_or_deleted_and_follows_a_new_url(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    disabled, deleted, moved = (create(tenant, f"{receiver.url}/old") for _ in range(3))
    rows.store(_end(tenant_id))
    change(tenant, moved["endpoint_id"], url=f"{receiver.url}/new")
    # The deliveries are made, and their endpoints change before anybody claims one.
    rows.fetch("BEGIN")
    rows.fetch("SELECT FROM webhook_fan_out($1, 100, 'off')", [tenant_id])
    rows.fetch(
        "UPDATE delivery SET due_at = now() + interval '1 h', url = $2 WHERE tenant_id = $1", tenant_id, "http://x/"
    )
    rows.fetch("COMMIT")
    change(tenant, disabled["endpoint_id"], enabled=False)
    tenant.client.delete(f"/api/webhooks/endpoints/{deleted['endpoint_id']}")
    rows.fetch("UPDATE delivery SET due_at = now() WHERE tenant_id = $1", tenant_id)
    for endpoint, reason in ((disabled, "The endpoint was disabled."), (deleted, "The endpoint was deleted.")):
        [row] = _wait_for(rows, endpoint, "SKIPPED")
        assert (row["attempt"], row["skipped_reason"]) == (0, reason)
        assert row["finished_at"] is not None
    _wait_for(rows, moved, "DELIVERED")
    assert receiver.got("/old") == []
    assert len(receiver.got("/new")) == 1


@pytest.mark.usefixtures("deliverer")
def test_an_endpoint_that_is_deleted_or_disabled_during_an_attempt_gets_no_other(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    disabled, deleted = (create(tenant, receiver.on(path, _hang_and_fail)) for path in ("/disabled", "/deleted"))
    rows.emit(_end(tenant_id))
    for path in ("/disabled", "/deleted"):
        receiver.wait_for(path)
    change(tenant, disabled["endpoint_id"], enabled=False)
    tenant.client.delete(f"/api/webhooks/endpoints/{deleted['endpoint_id']}")
    receiver.let_go.set()
    # The attempts are recorded, without an answer or with one; what follows them is skipped.
    for endpoint in (disabled, deleted):
        wait_until(lambda e=endpoint: _deliveries(rows, e)[0]["claim_token"] is None, "the record")
        rows.fetch("UPDATE delivery SET due_at = now() WHERE status = 'PENDING'")
        [row] = _wait_for(rows, endpoint, "SKIPPED")
        assert row["attempt"] == 1
    assert get(tenant, disabled["endpoint_id"])["failing_since"] is None


@pytest.mark.usefixtures("deliverer")
def test_during_a_rotation_both_secrets_of_an_endpoint_verify(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    endpoint = create(tenant, f"{receiver.url}/hook")
    path = f"/api/webhooks/endpoints/{endpoint['endpoint_id']}/rotate-secret"
    new = tenant.client.post(path, json={"overlap_seconds": 600}).json()["secret"]
    rows.emit(_end(tenant_id))
    [request] = receiver.wait_for("/hook")
    assert request.headers["webhook-signature"].count("v1,") == 2
    for secret in (endpoint["secret"], new):
        request.verify(secret)
    rows.fetch(
        "UPDATE endpoint_secret SET expires_at = now() WHERE expires_at IS NOT NULL AND tenant_id = $1", tenant_id
    )
    rows.emit(_end(tenant_id))
    _, later = receiver.wait_for("/hook", 2)
    later.verify(new)
    with pytest.raises(WebhookVerificationError):
        later.verify(endpoint["secret"])


@pytest.mark.usefixtures("deliverer")
@pytest.mark.parametrize("moved", ["secret", "headers"])
def test_what_is_moved_to_another_endpoint_cannot_be_opened_and_nothing_is_sent(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver, moved: str
):
    source, target = (create(tenant, f"{receiver.url}/hook", headers={"X-A": "b"}) for _ in range(2))
    ids = [uuid.UUID(one["endpoint_id"]) for one in (source, target)]
    change(tenant, source["endpoint_id"], enabled=False)
    statement = {
        "secret": "UPDATE endpoint_secret SET sealed = (SELECT sealed FROM endpoint_secret WHERE endpoint_id = $1)"
        " WHERE endpoint_id = $2",
        "headers": "UPDATE endpoint SET sealed_headers = (SELECT sealed_headers FROM endpoint WHERE id = $1) WHERE id = $2",
    }[moved]
    rows.fetch(statement, *ids)
    try:
        rows.emit(_end(tenant_id))
        wait_until(lambda: bool(rows.fetch("SELECT FROM delivery_attempt")), "an attempt")
        [attempt] = rows.fetch("SELECT * FROM delivery_attempt")
    finally:
        tenant.client.delete(f"/api/webhooks/endpoints/{target['endpoint_id']}")
    assert attempt["response_status"] is None
    assert "cannot be opened" in attempt["error"]
    assert receiver.requests == []


def test_a_sealed_value_opens_only_as_the_value_of_its_row_and_tenant(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, environment: dict[str, str]
):
    endpoint = create(tenant, headers={"X-A": "b"})
    known = secrets.load(Path(environment["SECRETS_FILE"]))
    [row] = rows.fetch(
        "SELECT e.id, e.sealed_headers, s.id AS secret_id, s.sealed FROM endpoint e JOIN endpoint_secret s"
        " ON s.endpoint_id = e.id WHERE e.id = $1", uuid.UUID(endpoint["endpoint_id"]),
    )  # fmt: skip
    opened = webhook_secrets.open_sealed
    assert opened(row["sealed_headers"], tenant_id, row["id"], known, ENDPOINT_HEADERS) == '{"X-A": "b"}'
    assert opened(row["sealed"], tenant_id, row["secret_id"], known, ENDPOINT_SECRET) == endpoint["secret"]
    for sealed, owner, row_id, column in (
        (row["sealed_headers"], uuid.uuid4(), row["id"], ENDPOINT_HEADERS),
        (row["sealed_headers"], tenant_id, uuid.uuid4(), ENDPOINT_HEADERS),
        (row["sealed"], uuid.uuid4(), row["secret_id"], ENDPOINT_SECRET),
        (row["sealed"], tenant_id, row["id"], ENDPOINT_SECRET),
        (row["sealed"], tenant_id, row["secret_id"], ENDPOINT_HEADERS),
    ):
        with pytest.raises(SealBroken):
            opened(sealed, owner, row_id, known, column)


@pytest.mark.usefixtures("deliverer")
def test_gone_disables_the_endpoint_and_another_one_is_told(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    gone = create(tenant, receiver.on("/gone", status(410)))
    watcher = create(tenant, f"{receiver.url}/watcher", event_types=["endpoint.failing", "endpoint.disabled"])
    rows.emit(_end(tenant_id))
    _wait_for(rows, gone, "FAILED")
    found = get(tenant, gone["endpoint_id"])
    assert (found["enabled"], found["disabled_by"]) == (False, "gone")
    assert _audited(rows, gone) == [("service", "webhooks", {"disabled_by": "gone"})]
    rows.fan_out(tenant_id)
    [told] = receiver.wait_for("/watcher")
    event = told.verify(watcher["secret"])
    assert event["type"] == "endpoint.disabled"
    data = event["data"]
    assert (data["endpoint_id"], data["url"], data["disabled_by"]) == (gone["endpoint_id"], gone["url"], "gone")
    events = tenant.client.get("/api/events", params={"type": "endpoint.disabled"}).json()["items"]
    assert events[-1]["data"] == data
    # The webhook_url of a task only ends its own delivery.
    rows.emit(ended(tenant_id, f"{receiver.url}/gone"))
    wait_until(lambda: len(receiver.got("/gone")) == 2, "the webhook_url")


_CLAIMED = """
INSERT INTO delivery (tenant_id, id, event_id, event_seq, endpoint_id, event_type, url, url_key, body, attempt, due_at, claim_token)
VALUES ($1, $2, $2, 1, $3, 'task.succeeded', 'https://a.example.com/', 'endpoint:' || $3::uuid, '{}', 1, now() + interval '1 minute', $4)
RETURNING now()
"""


def _state(environment: dict[str, str]) -> Callable[..., None]:
    """Return a function that records an attempt of a delivery as the process does, as its role."""

    def record(tenant_id: uuid.UUID, endpoint: dict[str, Any], *, is_last: bool = False, fails: bool = True) -> None:
        async def run() -> None:
            owner = await asyncpg.connect(environment["DATABASE_URL"])
            endpoint_id, delivery_id, token = uuid.UUID(endpoint["endpoint_id"]), uuid.uuid4(), uuid.uuid4()
            now = await owner.fetchval(_CLAIMED, tenant_id, delivery_id, endpoint_id, token)
            await owner.close()
            claim = DeliveryClaim(
                tenant_id, delivery_id, delivery_id, None, endpoint_id, is_test=False, url="", url_key="", body="{}",
                attempt=1, schedule_from=0, event_type="task.succeeded", claim_token=token, claimed_at=now, secrets=[],
            )  # fmt: skip
            outcome = ("FAILED" if is_last else "PENDING") if fails else "DELIVERED"
            attempt = EndedAttempt(claim, outcome, timedelta(hours=1), 1, 500 if fails else 204, None)
            database = Database("tq_webhook", size=1, url=role_url(environment, "tq_webhook"))
            assert await Recorder(database).record(attempt, until=time.monotonic() + 10)
            await database.close()

        asyncio.run(run())

    return record


def _events(rows: Rows, endpoint: dict[str, Any]) -> list[int]:
    found = rows.fetch("SELECT type FROM event WHERE subject = $1 ORDER BY seq", uuid.UUID(endpoint["endpoint_id"]))
    return [row["type"] for row in found]


def _audited(rows: Rows, endpoint: dict[str, Any]) -> list[tuple[str, str, Any]]:
    found = rows.fetch(
        "SELECT actor_type, actor, detail FROM audit_event WHERE object = $1 AND action = 'endpoint.disabled'",
        endpoint["endpoint_id"],
    )
    return [(row["actor_type"], row["actor"], json.loads(row["detail"])) for row in found]


def _age(rows: Rows, endpoint: dict[str, Any], age: timedelta) -> None:
    rows.fetch(
        "UPDATE endpoint SET failing_since = now() - $2::interval WHERE id = $1",
        uuid.UUID(endpoint["endpoint_id"]),
        age,
    )


def test_failing_is_told_once_and_again_after_a_success(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, environment: dict[str, str]
):
    endpoint, record = create(tenant), _state(environment)
    record(tenant_id, endpoint)
    assert get(tenant, endpoint["endpoint_id"])["failing_since"] is not None
    record(tenant_id, endpoint)
    assert _events(rows, endpoint) == []
    _age(rows, endpoint, FAILING_AFTER)
    record(tenant_id, endpoint)
    record(tenant_id, endpoint)
    assert _events(rows, endpoint) == [5]
    record(tenant_id, endpoint, fails=False)
    assert get(tenant, endpoint["endpoint_id"])["failing_since"] is None
    # A delivery that has used up its attempts is told at once.
    record(tenant_id, endpoint, is_last=True)
    record(tenant_id, endpoint, is_last=True)
    assert _events(rows, endpoint) == [5, 5]
    assert get(tenant, endpoint["endpoint_id"])["enabled"]


def test_five_days_without_a_success_disable_an_endpoint_once(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, environment: dict[str, str]
):
    endpoint, record = create(tenant), _state(environment)
    record(tenant_id, endpoint)
    _age(rows, endpoint, DISABLED_AFTER - timedelta(minutes=1))
    record(tenant_id, endpoint)
    assert (_events(rows, endpoint), get(tenant, endpoint["endpoint_id"])["enabled"]) == ([5], True)
    _age(rows, endpoint, DISABLED_AFTER)
    record(tenant_id, endpoint)
    record(tenant_id, endpoint)
    found = get(tenant, endpoint["endpoint_id"])
    assert (_events(rows, endpoint), found["enabled"], found["disabled_by"]) == ([5, 6], False, "failing")
    assert _audited(rows, endpoint) == [("service", "webhooks", {"disabled_by": "failing"})]
    again = change(tenant, endpoint["endpoint_id"], enabled=True)
    assert (again["failing_since"], again["disabled_by"]) == (None, None)


def test_many_failures_at_once_are_told_once(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, environment: dict[str, str]
):
    endpoint, record = create(tenant), _state(environment)
    record(tenant_id, endpoint)
    _age(rows, endpoint, DISABLED_AFTER)
    threads = [threading.Thread(target=record, args=(tenant_id, endpoint)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _events(rows, endpoint) == [6]


@pytest.mark.usefixtures("deliverer")
def test_attempts_are_spread_over_the_seconds_and_others_are_not_delayed(
    tenant: Tenant, tenant_id: uuid.UUID, rows: Rows, receiver: Receiver
):
    slow = create(tenant, f"{receiver.url}/slow", rate_per_second=10, filter={"tasks": ["slow"]})
    create(tenant, f"{receiver.url}/fast")
    began = time.monotonic()
    rows.emit(*[_end(tenant_id, task="slow") for _ in range(25)], _end(tenant_id))
    fast = receiver.wait_for("/fast", 26)
    assert max(request.at for request in fast) - began < 5
    _wait_for(rows, slow, *["DELIVERED"] * 25)
    found = rows.fetch(
        "SELECT extract(epoch FROM a.started_at)::float8 AS at FROM delivery_attempt a JOIN delivery d ON d.id = a.delivery_id"
        " WHERE d.endpoint_id = $1 ORDER BY a.started_at", uuid.UUID(slow["endpoint_id"]),
    )  # fmt: skip
    moments = [row["at"] for row in found]
    # In no second more than its share, with the one attempt that may be early and one at the border.
    assert max(sum(at <= one < at + 1 for one in moments) for at in moments) <= 12
    assert 2 <= moments[-1] - moments[0] < 10
