"""A process whose code does not fit the schema says so and waits; it goes on by itself when the schema fits."""

import asyncio
import json
import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest

from app.core import schema
from scripts.stack import ports
from tests.conftest import ROOT, Servers, Stack, wait_until
from tests.faults import safeguards

_NEXT = "r9000"
_REVISION = f'''"""A column for tests."""

from migrations import script

revision = "{_NEXT}"
down_revision = "{schema.EXPECTED}"


def upgrade() -> None:
    """Add it."""
    script.change("ALTER TABLE long_task_type ADD COLUMN probe integer")
'''


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a copy of the repository that has one revision more; processes start from it."""
    with safeguards.copy() as root:
        (root / "migrations" / "versions" / "9000_probe.py").write_text(_REVISION)
        monkeypatch.setattr("tests.conftest.ROOT", root)
        yield root


@pytest.fixture
def outdated(environment: dict[str, str], servers: Servers, tmp_path: Path) -> Iterator[Stack]:
    """Yield a stack without processes, on a database whose schema is older than the copy's."""
    name = f"outdated_{uuid.uuid4().hex[:8]}"
    url = f"{environment['DATABASE_URL'].rpartition('/')[0]}/{name}"
    settings = environment | {"DATABASE_URL": url, "REDIS_URL": environment["REDIS_URL"].removesuffix("/0") + "/5"}
    _execute(environment["DATABASE_URL"], f"CREATE DATABASE {name}")
    made = Stack(f"http://127.0.0.1:{ports.free_port()}", settings, tmp_path, {})
    try:
        for command in (["app.admin", "bootstrap"], ["alembic", "upgrade", "head"]):
            subprocess.run([sys.executable, "-m", *command], cwd=ROOT, env=settings, check=True, timeout=60)
        yield made
    finally:
        for part in list(made.processes):
            made.stop(part)
        _execute(environment["DATABASE_URL"], f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    asyncio.run(run())


def _value(url: str, statement: str) -> object:
    async def run() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(run())


def _waits(stack: Stack, part: str) -> list[str]:
    lines = [json.loads(line) for line in (stack.folder / f"{part}.log").read_text().splitlines() if line[:1] == "{"]
    return [line["reason"] for line in lines if "does not fit the schema" in line["message"]]


def _readiness(stack: Stack) -> httpx.Response | None:
    try:
        return httpx.get(f"{stack.url}/readyz", timeout=5, trust_env=False)
    except httpx.HTTPError:
        return None


@pytest.mark.timeout(240)
def test_new_code_on_an_old_schema_waits_until_it_is_migrated(outdated: Stack, newer: Path):
    outdated.start("api", "uvicorn", "app.main:app", "--port", outdated.url.rpartition(":")[2])
    outdated.start("dispatcher", "app.dispatch")
    outdated.start("webhooks", "app.webhooks")
    outdated.start("http", "app.http_requests")
    outdated.start_worker()
    said = f"the schema is {schema.EXPECTED}, this version needs {_NEXT}: run scripts/admin migrate"
    for part in ("dispatcher", "webhooks", "http", "worker"):
        wait_until(lambda part=part: bool(_waits(outdated, part)), f"the {part} to wait")
        assert _waits(outdated, part) == [said]
    wait_until(lambda: _readiness(outdated) is not None, "the api")
    refused = _readiness(outdated)
    assert refused is not None
    assert refused.status_code == 503
    told = refused.json()
    assert (told["schema_version"], told["schema_expected"]) == (schema.EXPECTED, _NEXT)
    assert said in told["reasons"]
    subprocess.run(
        [sys.executable, "-m", "app.admin", "migrate"], cwd=newer, env=os.environ | outdated.environment, check=True,
        timeout=60,
    )  # fmt: skip
    wait_until(lambda: (_readiness(outdated) or refused).json().get("status") == "ready", "every part to go on", 60)
    assert _value(outdated.environment["DATABASE_URL"], "SELECT count(probe) FROM long_task_type") == 0
    # The reverse: a schema that this code does not know.
    _execute(outdated.environment["DATABASE_URL"], "UPDATE alembic_version SET version_num = 'r9999'")
    wait_until(lambda: (answer := _readiness(outdated)) is not None and answer.status_code == 503, "the api to see it")
    assert "start the newer version" in (_readiness(outdated) or refused).json()["reasons"][0]
    outdated.stop("dispatcher")
    outdated.start("dispatcher", "app.dispatch")
    wait_until(lambda: len(_waits(outdated, "dispatcher")) == 2, "the dispatcher to wait")
    assert outdated.processes["dispatcher"].poll() is None
