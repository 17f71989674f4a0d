"""What the tests of http_request share: a worker that sends to this machine, and a receiver."""

import asyncio
import json
import logging
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from app.core import ids, secrets
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.db import Database
from app.http_requests.requester import Requester
from app.http_requests.schemas import HttpRequestPayload
from app.outbound.addresses import Network
from app.outbound.destinations import Destinations
from app.outbound.exchange import Exchanges
from app.outbound.resolver import Resolver
from app.quotas.rate import Rates
from app.tasks import TaskContext
from app.tenants.webhook_secrets import SecretOpener
from tests.conftest import Stack, Tenant, role_url
from tests.webhooks.receiver import Receiver


@pytest.fixture(scope="module")
def http_stack(stack: Stack) -> Iterator[Stack]:
    """Run a worker of http_request beside the usual processes."""
    start(stack)
    stack.wait_for_workers(2)
    yield stack
    if "http" in stack.processes:
        stack.stop("http")
    stack.wait_for_workers(1)


def start(stack: Stack) -> None:
    """Start the worker of http_request."""
    stack.start("http", "app.http_requests", OWN_PORTS=str(urlsplit(stack.url).port))


@pytest.fixture(scope="session")
def caller(make_tenant: Callable[..., Tenant]) -> Tenant:
    """The tenant whose endpoints are called."""
    return make_tenant("caller")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@dataclass(frozen=True)
class Customer:
    """A tenant, and the secret that it verifies with."""

    id: UUID
    slug: str
    secret: str


def _customer(admin: Callable[..., subprocess.CompletedProcess[str]], plan: str) -> Customer:
    slug = f"requests-{uuid4().hex[:8]}"
    done = admin("tenant", "create", slug, "--name", "R", "--plan", plan, "--json")
    made = json.loads(done.stdout.splitlines()[-1])
    return Customer(UUID(made["tenant_id"]), slug, made["webhook_secret"])


@pytest.fixture(scope="session")
def customer(admin: Callable[..., subprocess.CompletedProcess[str]]) -> Customer:
    """A tenant, without a running stack."""
    return _customer(admin, "pro")


@pytest.fixture(scope="session")
def slow_customer(admin: Callable[..., subprocess.CompletedProcess[str]]) -> Customer:
    """A tenant that may send five requests a second."""
    return _customer(admin, "free")


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Have this process read settings: no network is allowed for http_request, which is the default."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "REDIS_URL", "SECRETS_FILE", "WEBHOOK_ALLOWED_NETWORKS"):
        monkeypatch.setenv(name, environment[name])
    monkeypatch.setenv("HTTP_REQUEST_ALLOWED_NETWORKS", "")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture
async def make_requester(environment: dict[str, str], settings: None) -> AsyncIterator[Callable[..., Requester]]:
    """A maker of what sends the requests of a process: by its own role, and for real."""
    database = Database("tq_http", size=2, url=role_url(environment, "tq_http"))
    redis = redis_connections.connect(environment["REDIS_URL"])
    opener = SecretOpener(secrets.load(Path(environment["SECRETS_FILE"])))

    def make(
        allowed: Sequence[Network] = (ip_network("127.0.0.0/8"),), own_ports: Iterable[int] = (), look_up: Any = None
    ) -> Requester:
        judge = Destinations(allowed, frozenset(own_ports))
        exchanges = Exchanges(judge.may_go_to, resolver=Resolver(look_up) if look_up else None)
        rates = Rates(redis, prefix=f"test.{uuid4()}")
        return Requester(database, rates, exchanges, opener, asyncio.get_running_loop().time, max_waiting=50)

    yield make
    await database.close()
    await redis.aclose()


def context(tenant_id: UUID, **facts: Any) -> TaskContext:
    """Return the context of an attempt."""
    known = {
        "tenant_id": tenant_id, "task_id": ids.new_id(), "attempt": 1, "deadline": datetime.now(UTC),
        "report": lambda _: None, "is_cancel_requested": lambda: False, "log": logging.LoggerAdapter(logging.getLogger()),
    }  # fmt: skip
    return TaskContext(**(known | facts))


def payload(url: str, **members: Any) -> HttpRequestPayload:
    """Return what a tenant asks for, as it is read from its JSON, but without the check of its URL."""
    checked = HttpRequestPayload.model_validate({"url": "https://api.example.com/"} | members)
    return checked.model_copy(update={"url": url})
