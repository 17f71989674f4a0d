"""Callers of the account calls."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import asyncpg
import httpx
import pytest

from tests.conftest import Tenant, wait_until

_HOSTS = itertools.count(2)

Anonymous = Callable[[], httpx.Client]


@pytest.fixture
def anonymous(acme: Tenant) -> Iterator[Anonymous]:
    """Return a maker of clients without credentials, each at an address of its own: logins are limited for each."""
    with ExitStack() as stack:

        def make() -> httpx.Client:
            number = next(_HOSTS)
            transport = httpx.HTTPTransport(local_address=f"127.9.{number // 250}.{number % 250 + 1}")
            return stack.enter_context(httpx.Client(base_url=acme.client.base_url, transport=transport, timeout=30))

        yield make


@pytest.fixture(scope="session")
def side(make_tenant: Callable[..., Tenant]) -> Tenant:
    """A tenant that a test may suspend or limit, as long as it undoes it."""
    return make_tenant("side")


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """The owner's connection: what an operator does, without the time that a command takes to start."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


def token_of(client: httpx.Client, api_key: str, **fields: str) -> str:
    """Exchange an API key for a token."""
    response = client.post(
        "/api/auth/token",
        data={"grant_type": "client_credentials", "client_id": api_key[8:20], "client_secret": api_key} | fields,
    )
    assert response.status_code == 200, response.text
    return str(response.json()["access_token"])


def with_token(client: httpx.Client, token: str, path: str = "/api/tasks") -> int:
    """Return the status of a call with a token or key."""
    return client.get(path, headers={"Authorization": f"Bearer {token}"}).status_code


def wait_for_refusal(client: httpx.Client, token: str, seconds: float = 3) -> None:
    """Wait until credentials do not hold any more: 2 s, and what the machine takes to answer."""
    wait_until(lambda: with_token(client, token) == 401, "a refusal", seconds)


def issue(tenant: Tenant, **body: Any) -> dict[str, Any]:
    """Issue a key."""
    response = tenant.client.post("/api/keys", json={"name": "made"} | body)
    assert response.status_code == 201, response.text
    return dict(response.json())
