"""The worlds of the security tests: the one of the run, and one whose database has no policies."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from scripts.stack import ports
from tests.conftest import Stack, wait_until
from tests.security.world import World, admin, sql


@pytest.fixture(scope="session")
def world(stack: Stack) -> World:
    """Callers in the run's own database."""
    return World(stack.url, stack.environment)


@pytest.fixture(scope="session")
def world_without_policies(stack: Stack) -> Iterator[World]:
    """Callers in a database without row-level security: the WHERE of each statement is all there is."""
    url = stack.environment["DATABASE_URL"].rpartition("/")[0] + "/without_policies"
    environment = stack.environment | {"DATABASE_URL": url}
    sql(stack.environment, "CREATE DATABASE without_policies")
    for command in ("bootstrap", "migrate"):
        admin(environment, command)
    for row in sql(environment, "SELECT oid::regclass::text AS name FROM pg_class WHERE relrowsecurity"):
        sql(environment, f"ALTER TABLE {row['name']} DISABLE ROW LEVEL SECURITY")
    with own_api(stack, "api-without-policies", DATABASE_URL=url) as address:
        yield World(address, environment)


@contextmanager
def own_api(stack: Stack, name: str, **settings: str) -> Iterator[str]:
    """Run one more api process of the stack; yield its URL."""
    port = ports.free_port()
    address = f"http://127.0.0.1:{port}"
    stack.start(
        name, "uvicorn", "app.main:app", "--port", str(port), "--http", "app.core.http_guard:GuardedProtocol",
        "--no-access-log", **settings,
    )  # fmt: skip
    try:
        wait_until(lambda: _answers(address), "an api process")
        yield address
    finally:
        stack.stop(name)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
