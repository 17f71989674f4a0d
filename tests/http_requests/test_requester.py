"""What an attempt sends, what it makes of the answer, and what keeps it from sending."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from standardwebhooks import Webhook

from app.core import ids, secrets
from app.db import Database
from app.http_requests.answers import HttpAnswerTooLarge, HttpConnectionError, HttpStatusError
from app.http_requests.requester import HttpLimit, Requester
from app.http_requests.signed_request import HttpRequestUnsigned
from app.tasks import TaskRetry
from app.tenants import webhook_secrets
from tests.http_requests.conftest import Customer, context, payload
from tests.webhooks.receiver import Receiver, flood, hang, raw, status

Make = Callable[..., Requester]
JSON = {"Content-Type": "application/json"}
NO_ADDRESS = "The host name has no address that requests are sent to. Use a host on the internet."


async def _fault(requester: Requester, tenant_id: UUID, url: str, **members: Any) -> tuple[TaskRetry, BaseException]:
    """Return the error by which an attempt asks for another one, and its cause."""
    with pytest.raises(TaskRetry) as raised:
        await requester.send(payload(url, **members), context(tenant_id))
    assert raised.value.__cause__ is not None
    return raised.value, raised.value.__cause__


@pytest.mark.parametrize(
    ("members", "body", "content_type"),
    [
        ({"json": {"ä": 1.5}}, '{"ä":1.5}'.encode(), "application/json"),
        ({"json": None}, b"null", "application/json"),
        ({"text": "ä"}, "ä".encode(), "text/plain; charset=utf-8"),
        ({"text": "a,b", "headers": {"content-type": "text/csv"}}, b"a,b", "text/csv"),
        ({}, b"", None),
        ({"method": "DELETE"}, b"", None),
        ({"method": "GET"}, b"", None),
    ],
)
async def test_a_body_is_sent_as_it_is_signed(
    make_requester: Make,
    customer: Customer,
    receiver: Receiver,
    members: dict[str, Any],
    body: bytes,
    content_type: str,
):
    url = receiver.on("/a", status(200, JSON, b"[1]"))
    result = await make_requester().send(payload(url, **members), context(customer.id))
    assert result["json"] == [1]
    [request] = receiver.got("/a")
    assert (request.body, request.headers.get("content-type")) == (body, content_type)
    assert request.method == members.get("method", "POST")
    Webhook(customer.secret).verify(body.decode(), request.headers, json_parse=False)
    assert request.headers["accept-encoding"] == "identity"
    assert not request.headers.keys() & {"cookie", "authorization"}


async def test_both_secrets_sign_during_a_rotation(
    make_requester: Make, customer: Customer, receiver: Receiver, environment: dict[str, str]
):
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    text, secret_id = webhook_secrets.generate(), ids.new_id()
    sealed = webhook_secrets.seal(text, customer.id, secret_id, secrets.load(Path(environment["SECRETS_FILE"])))
    values = (customer.id, secret_id, sealed)
    await owner.execute("INSERT INTO webhook_secret (tenant_id, id, sealed) VALUES ($1, $2, $3)", *values)
    for counts in (2, 1):
        await make_requester().send(payload(receiver.on("/a", status(200)), text="a"), context(customer.id))
        request = receiver.got("/a")[-1]
        assert len(request.headers["webhook-signature"].split(" ")) == counts
        for secret in (customer.secret, text)[:counts]:
            Webhook(secret).verify("a", request.headers, json_parse=False)
        # One that has expired signs no more.
        await owner.execute("UPDATE webhook_secret SET expires_at = now() WHERE id = $1", secret_id)
    await owner.execute("DELETE FROM webhook_secret WHERE id = $1", secret_id)
    await owner.close()


@pytest.mark.parametrize("code", [408, 425, 429, 500, 503])
async def test_a_passing_fault_asks_for_another_attempt_when_the_answer_says(
    make_requester: Make, customer: Customer, receiver: Receiver, code: int
):
    requester = make_requester()
    url = receiver.on("/busy", status(code, {"Retry-After": "77"}, b"later"), status(code))
    retry, error = await _fault(requester, customer.id, url)
    assert (retry.after, type(error)) == (77, HttpStatusError)
    assert "later" in str(error)
    retry, _ = await _fault(requester, customer.id, url)
    assert retry.after is None


@pytest.mark.parametrize("code", [301, 400, 401, 404, 410, 422])
async def test_another_status_ends_the_task(make_requester: Make, customer: Customer, receiver: Receiver, code: int):
    url = receiver.on("/no", status(code, {"Location": f"{receiver.url}/new", "Retry-After": "1"}))
    with pytest.raises(HttpStatusError, match=str(code)):
        await make_requester().send(payload(url), context(customer.id))
    assert receiver.got("/new") == []


async def test_a_status_that_is_asked_for_is_a_success(make_requester: Make, customer: Customer, receiver: Receiver):
    url = receiver.on("/gone", status(404, {"Set-Cookie": "a=b"}, b"x"))
    result = await make_requester().send(payload(url, success=["2xx", "404"]), context(customer.id))
    assert (result["status"], result["text"], result["headers"]["set-cookie"]) == (404, "x", "a=b")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (hang, "There was no whole answer within 1 s."),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", *[b"x"] * 99, pause=0.3), "There was no whole answer within 1 s."),
        (raw(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 500, pause=0.05), "There was no whole answer within 1 s."),
        (raw(), "The answer was not HTTP, or it ended early."),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"), "The answer was not HTTP, or it ended early."),
        (flood(b"HTTP/1.1 200 OK\r\n", b"X-Header: y\r\n"), "The answer was not HTTP, or it ended early."),
        (
            flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 900 + b"\r\nx\r\n"),
            "The answer was not HTTP, or it ended early.",
        ),
    ],
    ids=["silence", "drip", "1xx without end", "nothing", "half a body", "header flood", "chunks with extensions"],
)  # fmt: skip
async def test_no_whole_answer_asks_for_another_attempt(
    make_requester: Make, customer: Customer, receiver: Receiver, answer: Any, error: str
):
    retry, cause = await _fault(make_requester(), customer.id, receiver.on("/", answer), timeout_seconds=1)
    assert (retry.after, type(cause), str(cause)) == (None, HttpConnectionError, error)


@pytest.mark.parametrize(
    "answer",
    [
        status(200, {}, bytes(262_145)),
        flood(b"HTTP/1.1 200 OK\r\n\r\n", bytes(1_000)),
        flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n"),
    ],
    ids=["a byte too much", "bytes without end", "chunks without end"],
)
async def test_an_answer_over_the_plan_ends_the_task(
    make_requester: Make, customer: Customer, receiver: Receiver, answer: Any
):
    with pytest.raises(HttpAnswerTooLarge, match="262144 bytes"):
        await make_requester().send(payload(receiver.on("/", answer)), context(customer.id))


async def test_a_compressed_answer_stays_as_it_is(make_requester: Make, customer: Customer, receiver: Receiver):
    url = receiver.on("/zip", status(200, {"Content-Encoding": "gzip"}, b"\x1f\x8b"))
    assert (await make_requester().send(payload(url), context(customer.id)))["text"] == "\x1f\N{REPLACEMENT CHARACTER}"


async def test_a_closed_port_and_a_silent_one_are_the_same(
    make_requester: Make, customer: Customer, receiver: Receiver
):
    receiver.close()
    requester = make_requester()
    _, refused = await _fault(requester, customer.id, f"{receiver.url}/")
    # Nobody answers there, and nothing refuses either.
    silent = make_requester((), look_up=lambda _: [])
    _, unknown = await _fault(silent, customer.id, "https://api.example.com/")
    assert (str(refused), str(unknown)) == ("There was no connection to the host.", NO_ADDRESS)


async def test_our_own_ports_are_never_connected_to(make_requester: Make, customer: Customer, receiver: Receiver):
    requester = make_requester(own_ports=[receiver.port])
    for host in ("127.0.0.1", "localhost"):
        _, error = await _fault(requester, customer.id, f"http://{host}:{receiver.port}/")
        assert str(error) == NO_ADDRESS
    assert receiver.connections == 0


async def test_the_fifth_request_to_a_host_is_put_off_and_one_to_another_is_not(
    make_requester: Make, customer: Customer, receiver: Receiver
):
    requester, url = make_requester(), receiver.on("/slow", hang)
    running = [asyncio.create_task(requester.send(payload(url), context(customer.id))) for _ in range(4)]
    await asyncio.to_thread(receiver.wait_for, "/slow", 4)
    sending = (requester.send(payload(url), context(customer.id)) for _ in range(3))
    put_off = await asyncio.gather(*sending, return_exceptions=True)
    assert {str(one).partition(" are ")[0] for one in put_off} == {"4 requests to this host"}
    # They do not come back all at once.
    assert len({one.after for one in put_off if isinstance(one, HttpLimit)}) == 3
    other = receiver.on("/quick", status(200)).replace("127.0.0.1", "localhost")
    assert (await requester.send(payload(other), context(customer.id)))["status"] == 200
    for one in running:
        one.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert (await requester.send(payload(receiver.on("/slow", status(200))), context(customer.id)))["status"] == 200


async def test_a_tenants_rate_puts_off_what_is_over_it(
    make_requester: Make, slow_customer: Customer, receiver: Receiver
):
    requester, url = make_requester(), receiver.on("/", status(204))
    sent = 0
    with pytest.raises(HttpLimit, match="5 requests a second") as put_off:
        while True:
            await requester.send(payload(url), context(slow_customer.id))
            sent += 1
    assert sent >= 5
    assert put_off.value.after >= 0.5
    assert len(receiver.requests) == sent


async def test_what_cannot_be_signed_is_not_sent(make_requester: Make, receiver: Receiver, environment: dict[str, str]):
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    tenant_id = await owner.fetchval(
        "INSERT INTO tenant (id, slug, name, plan) VALUES (gen_random_uuid(), 'unsigned', 'U', 'free') RETURNING id"
    )
    await owner.close()
    _, error = await _fault(make_requester(), tenant_id, receiver.on("/", status(200)))
    assert isinstance(error, HttpRequestUnsigned)
    assert receiver.connections == 0


async def test_while_postgres_is_away_it_is_put_off(make_requester: Make, customer: Customer, receiver: Receiver):
    made = make_requester()
    nowhere = Database("tq_http", size=1, url="postgresql://tq_http@127.0.0.1:1/none")
    requester = Requester(
        nowhere, made._rates, made._exchanges, made._opener, asyncio.get_running_loop().time, max_waiting=0
    )
    with pytest.raises(HttpLimit):
        await requester.send(payload(receiver.on("/", status(200))), context(customer.id))
    await nowhere.close()
    assert receiver.connections == 0
