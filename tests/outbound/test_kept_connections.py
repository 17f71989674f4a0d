"""A connection is kept for the next request of the same tenant to the same place, and for nobody else."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from app.outbound import kept_connections
from app.outbound.destinations import Destinations
from app.outbound.resolver import Resolver
from app.webhooks.delivery.sender import NO_ADDRESS, DeliveryResponse, Sender
from tests.webhooks.receiver import Handler, Receiver, Response, raw, status

ALLOWED = (ip_network("127.0.0.0/8"),)
TENANT, ANOTHER = uuid.UUID(int=1), uuid.UUID(int=2)


@pytest.fixture
def found() -> list[Any]:
    """The addresses of every name."""
    return [ip_address("127.0.0.1")]


@pytest.fixture
async def sender(found: list[Any]) -> AsyncIterator[Sender]:
    made = Sender(Destinations(ALLOWED, frozenset()), resolver=Resolver(lambda _: found), keeps_connections=True)
    yield made
    made.close()
    # The loop ends what was closed.
    await asyncio.sleep(0)


async def _post(sender: Sender, url: str, tenant_id: uuid.UUID = TENANT) -> DeliveryResponse:
    return await sender.post(tenant_id, url, {"webhook-id": "msg_1"}, b"{}")


async def test_the_next_request_takes_the_connection_of_the_one_before(sender: Sender, receiver: Receiver):
    receiver.on("/hook", status(204), status(500, body=b"no"), status(204))
    assert [(await _post(sender, f"{receiver.url}/hook")).status for _ in range(3)] == [204, 500, 204]
    assert (len(receiver.requests), receiver.connections) == (3, 1)
    assert receiver.requests[0].headers["connection"] == "keep-alive"


async def test_another_tenant_another_name_and_another_address_have_connections_of_their_own(
    sender: Sender, receiver: Receiver, found: list[Any]
):
    for tenant_id, host in ((TENANT, "a.example.com"), (ANOTHER, "a.example.com"), (TENANT, "b.example.com")):
        assert (await _post(sender, f"http://{host}:{receiver.port}/hook", tenant_id)).status == 204
    assert receiver.connections == 3
    # The name leads inwards now: the connection that is kept does not help.
    found[:] = [ip_address("10.0.0.1")]
    assert await _post(sender, f"http://a.example.com:{receiver.port}/hook") == DeliveryResponse(None, NO_ADDRESS)
    assert len(receiver.requests) == 3


def _close_after(handler: Handler) -> None:
    """Answer as if the connection could be kept, and close it."""
    status(204)(handler)
    handler.close_connection = True


async def test_a_connection_that_the_server_has_closed_costs_no_attempt(sender: Sender, receiver: Receiver):
    receiver.on("/hook", _close_after)
    assert [(await _post(sender, f"{receiver.url}/hook")).status for _ in range(5)] == [204] * 5
    assert (len(receiver.requests), receiver.connections) == (5, 5)


async def test_an_answer_that_breaks_off_is_a_failure_on_a_kept_connection_too(sender: Sender, receiver: Receiver):
    receiver.on("/hook", status(204), raw(b"HTTP/1.1 2"))
    assert (await _post(sender, f"{receiver.url}/hook")).status == 204
    assert (await _post(sender, f"{receiver.url}/hook")).status is None
    # It was sent once: something had come back.
    assert len(receiver.requests) == 2


def _status_to(seen: list[Handler]) -> Response:
    """Answer 204, and let a test write more to the same connection."""

    def answer(handler: Handler) -> None:
        seen.append(handler)
        status(204)(handler)

    return answer


@pytest.mark.parametrize(
    "more",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n",
        b"ok",
    ],
    ids=["another_answer", "timeout", "rest_of_a_body"],
)
async def test_what_comes_unasked_on_a_kept_connection_is_not_the_next_answer(
    sender: Sender, receiver: Receiver, more: bytes
):
    seen = list[Handler]()
    receiver.on("/hook", _status_to(seen), status(503))
    assert (await _post(sender, f"{receiver.url}/hook")).status == 204
    ((kept,),) = sender._exchanges._kept._kept.values()
    assert kept.is_at_rest
    seen[0].wfile.write(more)
    async with asyncio.timeout(20):
        while kept.is_at_rest:  # noqa: ASYNC110 a connection's state
            await asyncio.sleep(0.01)
    assert (await _post(sender, f"{receiver.url}/hook")).status == 503
    assert (len(receiver.requests), receiver.connections) == (2, 2)


async def test_what_is_not_read_to_its_end_is_not_kept(sender: Sender, receiver: Receiver):
    receiver.on("/hook", status(200, body=b"x" * 200_000), status(204))
    assert [(await _post(sender, f"{receiver.url}/hook")).status for _ in range(2)] == [200, 204]
    assert receiver.connections == 2


async def test_a_connection_is_kept_for_a_moment_only(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(kept_connections, "SECONDS", 0.01)
    await _post(sender, f"{receiver.url}/hook")
    async with asyncio.timeout(20):
        while sender._exchanges._kept._kept:  # noqa: ASYNC110 a timer's state
            await asyncio.sleep(0.01)
    await _post(sender, f"{receiver.url}/hook")
    assert receiver.connections == 2
