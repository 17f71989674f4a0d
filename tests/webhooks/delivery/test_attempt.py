"""A real process delivers to a real receiver."""

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks import WebhookVerificationError

from app.core import crypto, secrets
from tests.conftest import wait_until
from tests.webhooks.conftest import Customer, Deliverer, Rows, ended
from tests.webhooks.receiver import Receiver, hang, status


@pytest.fixture(scope="module", autouse=True)
def deliverer(
    environment: dict[str, str], customer: Customer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deliverer]:
    """One process for all tests here; its environment names a proxy, which it must not use."""
    settings = environment | dict.fromkeys(
        ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"), "http://127.0.0.1:1"
    )
    settings |= {"WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8"}
    made = Deliverer(settings, tmp_path_factory.mktemp("webhooks") / "log")
    yield made
    made.kill()
    assert '"level": "ERROR"' not in made.log.read_text()


def test_an_event_arrives_and_verifies_and_an_altered_one_does_not(rows: Rows, receiver: Receiver, customer: Customer):
    end = ended(customer.id, f"{receiver.url}/hook?token=t", result='{"ü":[1.5,null]}')
    rows.emit(end)
    [request] = receiver.wait_for("/hook")
    event = request.verify(customer.secret)
    assert (event["type"], event["data"]["result"]) == ("task.succeeded", {"ü": [1.5, None]})
    assert request.path == "/hook?token=t"
    assert request.headers["content-type"] == "application/json"
    assert "." not in request.delivery
    assert request.delivery == f"msg_{rows.delivery(end.task_id)['id'].hex}"
    request.body += b" "
    with pytest.raises(WebhookVerificationError):
        request.verify(customer.secret)


def test_what_is_sent_is_the_stored_text_to_the_byte(rows: Rows, receiver: Receiver, customer: Customer):
    [task_id] = rows.emit(ended(customer.id, f"{receiver.url}/hook", result='"\u2028 ü \\\\ 😀"'))
    [request] = receiver.wait_for("/hook")
    assert request.body == rows.delivery(task_id)["body"].encode()


def test_each_tenant_is_signed_with_its_own_secret(
    rows: Rows, receiver: Receiver, customer: Customer, neighbour: Customer
):
    rows.emit(ended(neighbour.id, f"{receiver.url}/hook"))
    [request] = receiver.wait_for("/hook")
    request.verify(neighbour.secret)
    with pytest.raises(WebhookVerificationError):
        request.verify(customer.secret)


def test_a_500_then_a_204_are_two_tries_of_one_event(rows: Rows, receiver: Receiver, customer: Customer):
    [task_id] = rows.emit(ended(customer.id, receiver.on("/hook", status(500), status(204))))
    [first] = rows.wait_for_attempts(task_id)
    waiting = rows.delivery(task_id)
    assert (waiting["status"], waiting["attempt"], waiting["claim_token"]) == ("PENDING", 1, None)
    assert timedelta(seconds=3) < waiting["due_in"] <= timedelta(seconds=5.5)
    rows.make_due(task_id)
    done = rows.wait_for(task_id)
    assert done["finished_at"] is not None
    attempts = rows.attempts(task_id)
    assert [(a["attempt"], a["response_status"], a["error"]) for a in attempts] == [(1, 500, None), (2, 204, None)]
    assert first["started_at"] < attempts[1]["started_at"]
    requests = receiver.got("/hook")
    assert len({request.delivery for request in requests}) == 1
    assert requests[0].body == requests[1].body
    for request in requests:
        request.verify(customer.secret)


def test_one_event_is_sent_once(rows: Rows, receiver: Receiver, customer: Customer):
    tasks = rows.emit(*(ended(customer.id, f"{receiver.url}/hook") for _ in range(60)))
    for task_id in tasks:
        rows.wait_for(task_id)
    assert len(receiver.got("/hook")) == len({request.delivery for request in receiver.got("/hook")}) == 60
    assert receiver.most_at_once("/hook") <= 4


def test_an_endpoint_that_hangs_delays_no_other(
    rows: Rows, receiver: Receiver, customer: Customer, neighbour: Customer
):
    url = receiver.on("/hangs", hang)
    hanging = rows.emit(*(ended(customer.id, url) for _ in range(50)))
    receiver.wait_for("/hangs", 4)
    began = time.monotonic()
    rows.emit(ended(customer.id, f"{receiver.url}/well"), ended(neighbour.id, f"{receiver.url}/neighbour"))
    for path in ("/well", "/neighbour"):
        [request] = receiver.wait_for(path)
        assert request.at - began < 3
    assert len(receiver.got("/hangs")) == 4
    receiver.let_go.set()
    for task_id in hanging:
        rows.wait_for(task_id)
    assert receiver.most_at_once("/hangs") == 4


def test_a_tenant_with_endless_endpoints_that_hang_delays_no_other(
    rows: Rows, receiver: Receiver, customer: Customer, neighbour: Customer
):
    for number in range(700):
        receiver.on(f"/hangs/{number}", hang)
    rows.emit(*(ended(customer.id, f"{receiver.url}/hangs/{number}") for number in range(700)))
    wait_until(lambda: len(receiver.requests) >= 16, "16 in flight")
    began = time.monotonic()
    rows.emit(ended(neighbour.id, f"{receiver.url}/neighbour"))
    [request] = receiver.wait_for("/neighbour")
    assert request.at - began < 3
    assert len(receiver.requests) == 16 + 1
    rows.fetch("DELETE FROM delivery")
    receiver.let_go.set()


def test_a_redirect_is_a_failure_and_is_not_followed(rows: Rows, receiver: Receiver, customer: Customer):
    url = receiver.on("/old", status(307, {"Location": f"{receiver.url}/new"}))
    [task_id] = rows.emit(ended(customer.id, url))
    [attempt] = rows.wait_for_attempts(task_id)
    assert attempt["response_status"] == 307
    assert attempt["error"].startswith("Redirects are not followed.")
    assert rows.delivery(task_id)["status"] == "PENDING"
    assert receiver.got("/new") == []


def test_gone_fails_at_once(rows: Rows, receiver: Receiver, customer: Customer):
    [task_id] = rows.emit(ended(customer.id, receiver.on("/gone", status(410))))
    assert rows.wait_for(task_id, "FAILED")["finished_at"] is not None
    assert len(rows.attempts(task_id)) == 1


def test_the_tenth_try_is_the_last(rows: Rows, receiver: Receiver, customer: Customer):
    # Written in one statement, due at once: the process must not see it before its tries are used up.
    task_id, url = uuid.uuid4(), receiver.on("/down", status(500))
    rows.fetch(
        "INSERT INTO delivery (tenant_id, id, event_id, event_seq, task_id, event_type, url, url_key, body, attempt)"
        " VALUES ($1, gen_random_uuid(), gen_random_uuid(), 1, $2, 'task.failed', $3, $3, '{}', 9)",
        customer.id, task_id, url,
    )  # fmt: skip
    rows.wait_for(task_id, "FAILED")
    assert [a["attempt"] for a in rows.attempts(task_id)] == [10]


def test_retry_after_is_heeded(rows: Rows, receiver: Receiver, customer: Customer):
    [task_id] = rows.emit(ended(customer.id, receiver.on("/busy", status(429, {"Retry-After": "1000"}))))
    rows.wait_for_attempts(task_id)
    assert timedelta(seconds=990) < rows.delivery(task_id)["due_in"] <= timedelta(seconds=1_000)


def test_during_a_rotation_both_secrets_verify(
    rows: Rows, receiver: Receiver, neighbour: Customer, environment: dict[str, str]
):
    new = uuid.uuid4()
    text = "whsec_" + "QUJD" * 8
    sealed = _seal(environment, neighbour.id, new, text)
    rows.fetch("INSERT INTO webhook_secret (tenant_id, id, sealed) VALUES ($1, $2, $3)", neighbour.id, new, sealed)
    try:
        rows.emit(ended(neighbour.id, f"{receiver.url}/hook"))
        [request] = receiver.wait_for("/hook")
    finally:
        rows.fetch("DELETE FROM webhook_secret WHERE id = $1", new)
    request.verify(neighbour.secret)
    request.verify(text)


def _seal(environment: dict[str, str], tenant_id: uuid.UUID, secret_id: uuid.UUID, text: str) -> str:
    return crypto.seal(
        text.encode(),
        tenant_id=tenant_id,
        place=f"webhook_secret/{secret_id}/sealed",
        secrets=secrets.load(Path(environment["SECRETS_FILE"])),
    )


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("sealed = 'k1.k1.AAAA'", "The signing secret cannot be opened."),
        ("expires_at = now() - interval '1 second'", "There is no signing secret that holds."),
    ],
)
def test_nothing_is_sent_unsigned(
    rows: Rows, receiver: Receiver, make_customer: Callable[[], Customer], change: str, error: str
):
    tenant = make_customer()
    [whole] = rows.fetch("SELECT sealed FROM webhook_secret WHERE tenant_id = $1", tenant.id)
    rows.fetch(f"UPDATE webhook_secret SET {change} WHERE tenant_id = $1", tenant.id)
    try:
        [task_id] = rows.emit(ended(tenant.id, f"{receiver.url}/hook"))
        [attempt] = rows.wait_for_attempts(task_id)
    finally:
        # A secret that no key opens would stop a rotation of the key in another test of this run.
        rows.fetch("UPDATE webhook_secret SET sealed = $2 WHERE tenant_id = $1", tenant.id, whole["sealed"])
    assert attempt["response_status"] is None
    assert attempt["error"].startswith(error)
    assert receiver.requests == []


def test_each_try_is_one_line_of_the_log_without_secrets(
    rows: Rows, receiver: Receiver, customer: Customer, deliverer: Deliverer
):
    end = ended(customer.id, f"{receiver.url}/hook?token=sesame", result='"abracadabra"')
    rows.emit(end)
    rows.wait_for(end.task_id)
    wait_until(lambda: bool(_lines(deliverer, end.task_id)), "a line")
    [line] = _lines(deliverer, end.task_id)
    assert (line["tenant_id"], line["attempt"], line["outcome"], line["status"]) == (
        str(customer.id), 1, "DELIVERED", 204,
    )  # fmt: skip
    assert line["duration_ms"] >= 0
    log = deliverer.log.read_text()
    assert "sesame" not in log
    assert "abracadabra" not in log
    assert customer.secret not in log


def _lines(deliverer: Deliverer, task_id: uuid.UUID) -> list[dict[str, object]]:
    return [line for line in deliverer.lines("delivery") if line["task_id"] == str(task_id)]
