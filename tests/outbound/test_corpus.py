"""A corpus of hostile URLs and names, sent to webhook_urls, endpoints and by http_request: no connection goes inwards.

Each ``connect`` of this process is recorded, by Python's own audit hook, so nothing is taken on trust.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from app.core import secrets
from app.db import Database
from app.http_requests.requester import HttpLimit, Requester
from app.outbound import addresses, urls
from app.outbound.addresses import Address
from app.outbound.destinations import Destinations
from app.outbound.resolver import Resolver
from app.tasks import TaskFailure, TaskRetry
from app.tenants import webhook_secrets
from app.tenants.sealed_values import ENDPOINT_SECRET, WEBHOOK_SECRET
from app.webhooks.delivery.attempt import DeliveryAttempts
from app.webhooks.delivery.sender import Sender
from app.webhooks.store import DeliveryClaim
from tests.conftest import role_url
from tests.http_requests.conftest import Customer, context, payload
from tests.outbound.test_urls import HOSTILE, LOOSE
from tests.webhooks.receiver import Receiver, status

HERE = Path(__file__).parent
NOT_PUBLIC = (HERE / "not_public_addresses.txt").read_text().split()
NAME, PUBLIC = "https://hooks.example.com/", "93.184.216.34"
LOOPBACK = (ip_network("127.0.0.0/8"),)

CORPUS = [
    *((url, [PUBLIC]) for url in [*HOSTILE, *LOOSE]),
    *((NAME, [address]) for address in NOT_PUBLIC),
    *((NAME, [PUBLIC, address]) for address in NOT_PUBLIC),
    (NAME, []),
    ("https://hooks.example.com:8443/", ["127.0.0.1"]),
]  # fmt: skip

Send: TypeAlias = Callable[[str], Awaitable[str]]
"""Sends to a URL; returns the error that the tenant reads, or nothing."""


class _Recorder:
    """The addresses that this process connects to while it is on. A hook stays until the process ends."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, int]] | None = None
        sys.addaudithook(self._note)

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.seen is not None and event == "socket.connect" and isinstance(arguments[1], tuple):
            self.seen.append(arguments[1][:2])


_recorder = _Recorder()


@pytest.fixture
def connections(environment: dict[str, str]) -> Iterator[Callable[[], list[tuple[str, int]]]]:
    """Return a function that returns where this process has connected to, apart from its own Postgres and Redis."""
    _recorder.seen = seen = []
    own = {urlsplit(environment[name]).port for name in ("DATABASE_URL", "REDIS_URL")}
    yield lambda: [one for one in seen if one[1] not in own and not addresses.is_public(ip_address(one[0]))]
    _recorder.seen = None


@pytest.fixture(params=["webhook_url", "endpoint", "http_request"])
def door(
    request: pytest.FixtureRequest,
    make_requester: Callable[..., Requester],
    customer: Customer,
    environment: dict[str, str],
) -> Callable[..., Send]:
    """Return a maker of one of the three ways in which a tenant's URL is sent to."""

    def by_webhooks(allowed: Any, look_up: Any, own_ports: Iterable[int] = ()) -> Send:
        keys = secrets.load(Path(environment["SECRETS_FILE"]))
        sender = Sender(Destinations(allowed, frozenset(own_ports)), resolver=Resolver(look_up))
        attempts = DeliveryAttempts(Database("tq_webhook", url=role_url(environment, "tq_webhook")), sender, keys)
        endpoint_id = uuid4() if request.param == "endpoint" else None

        async def send(url: str) -> str:
            sent = await attempts.send(_claim(customer.id, endpoint_id, url, keys))
            assert sent is not None
            return sent.answer.error or ""

        return send

    def by_http_request(allowed: Any, look_up: Any, own_ports: Iterable[int] = ()) -> Send:
        requester = make_requester(allowed, own_ports, look_up=look_up)

        async def send(url: str) -> str:
            # The worker reads the payload again before each attempt, so a URL that the submit refuses goes no further.
            if fault := urls.validation_error(url, allowed):
                return fault
            return await _attempt(requester, url, customer)

        return send

    return by_http_request if request.param == "http_request" else by_webhooks


def _claim(tenant_id: UUID, endpoint_id: UUID | None, url: str, keys: secrets.Secrets) -> DeliveryClaim:
    """Return a claim of a delivery, with a secret that signs it."""
    column = ENDPOINT_SECRET if endpoint_id else WEBHOOK_SECRET
    secret_id = uuid4()
    sealed = webhook_secrets.seal(webhook_secrets.generate(), tenant_id, secret_id, keys, column)
    return DeliveryClaim(
        tenant_id, uuid4(), uuid4(), None, endpoint_id, is_test=False, url=url, url_key=url, body="{}", attempt=1,
        schedule_from=0, event_type="task.succeeded", claim_token=uuid4(), claimed_at=datetime.now(UTC),
        secrets=[(secret_id, sealed)],
    )  # fmt: skip


async def _attempt(requester: Requester, url: str, customer: Customer) -> str:
    while True:
        try:
            await requester.send(payload(url), context(customer.id))
        except HttpLimit as limit:
            await asyncio.sleep(limit.after)
        except (TaskRetry, TaskFailure) as error:
            return str(error.__cause__ or error)
        else:
            return ""


def test_the_corpus_is_large_enough():
    assert len({(url, *found) for url, found in CORPUS}) >= 150
    assert {ip_address(address).version for _, found in CORPUS for address in found} == {4, 6}


async def test_nothing_of_the_corpus_leads_anywhere(door: Callable[..., Send], connections: Any):
    current: list[Address] = []
    send = door((), lambda _: current)
    told = set()
    for url, found in CORPUS:
        current[:] = map(ip_address, found)
        told.add(await send(url))
    assert connections() == []
    # One text for all names, whatever they resolve to: nothing can be learnt of the network.
    assert len({text for text in told if "has no address" in text}) == 1
    assert "" not in told


async def test_a_name_that_changes_its_mind_leads_nowhere(
    door: Callable[..., Send], connections: Any, receiver: Receiver
):
    turns = iter([["127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["10.0.0.1"], ["::1"], ["::ffff:127.0.0.1"]])
    send = door(LOOPBACK, lambda _: [ip_address(address) for address in next(turns)])
    url = f"http://hooks.example.com:{receiver.port}/"
    assert await send(url) == ""
    for _ in range(4):
        assert "has no address" in await send(url)
    assert connections() == [("127.0.0.1", receiver.port)]


async def test_a_redirect_inwards_is_not_followed(door: Callable[..., Send], connections: Any, receiver: Receiver):
    send = door(LOOPBACK, lambda _: [])
    for code in (301, 302, 303, 307, 308):
        url = receiver.on(f"/{code}", status(code, {"Location": f"http://127.0.0.1:{receiver.port}/inside"}))
        assert "Redirects are not followed" in await send(url)
    assert receiver.got("/inside") == []
    assert set(connections()) == {("127.0.0.1", receiver.port)}


async def test_a_port_of_ours_is_not_reached_in_an_allowed_network_either(
    door: Callable[..., Send], connections: Any, receiver: Receiver
):
    send = door(LOOPBACK, lambda _: [ip_address("127.0.0.1")], own_ports=[receiver.port])
    for host in ("127.0.0.1", "localhost", "hooks.example.com", "127.0.0.99"):
        assert "has no address" in await send(f"http://{host}:{receiver.port}/")
    assert (connections(), receiver.connections) == ([], 0)


async def test_a_proxy_of_the_environment_is_not_used(
    door: Callable[..., Send], connections: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{receiver.port}")
    send = door((), lambda _: [ip_address("10.0.0.1")])
    assert "has no address" in await send(NAME)
    assert connections() == []
    assert receiver.connections == 0
