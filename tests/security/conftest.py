"""The worlds of the security tests: the one of the run, and two that have one belt each."""

import copy
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from scripts.stack import ports
from tests.conftest import ROOT, Stack, wait_until
from tests.security.world import World, admin, sql

_READING_FUNCTIONS = """
SELECT pg_get_functiondef(oid) AS stated FROM pg_proc WHERE proname IN ('task_results', 'task_statuses')
"""


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


@pytest.fixture(scope="session")
def world_without_where(stack: Stack, world: World) -> Iterator[World]:
    """The same callers, of a copy of the product whose statements name no tenant: the policies are all there is."""
    folder = stack.folder / "without-where"
    shutil.copytree(ROOT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    removed = sum(map(_without_tenant, (folder / "app").rglob("*store.py")))
    assert removed >= 30, "the statements are written in another way: find their WHERE again"
    world.sql("CREATE SCHEMA without_where")
    world.sql("GRANT USAGE ON SCHEMA without_where TO tq_api")
    for row in world.sql(_READING_FUNCTIONS):
        stated, removed = re.subn(r"w\.tenant_id = u\.tenant_id AND ", "", row["stated"])
        assert removed, row
        world.sql(stated.replace("FUNCTION public.", "FUNCTION without_where."))
    with own_api(stack, "api-without-where", "--app-dir", str(folder)) as address:
        made = copy.copy(world)
        made.url = address
        yield made


def _without_tenant(store: Path) -> int:
    """Let the statements of a file find rows of whichever tenant; return how many conditions that took."""
    # The parameter stays, with its type, so that the statement takes as many as before.
    stated, removed = re.subn(r"(\w+\.)?tenant_id = (\$\d+)", r"\2::uuid IS NOT NULL", store.read_text())
    store.write_text(re.sub(r"FROM (task_(results|statuses))\(", r"FROM without_where.\1(", stated))
    return removed


@contextmanager
def own_api(stack: Stack, name: str, *options: str, **settings: str) -> Iterator[str]:
    """Run one more api process of the stack; yield its URL."""
    port = ports.free_port()
    address = f"http://127.0.0.1:{port}"
    stack.start(
        name, "uvicorn", "app.main:app", "--port", str(port), "--http", "app.http.protocol_limits:GuardedProtocol",
        "--no-access-log", *options, **settings,
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
