"""The migrations build what app/models declares, can be taken back, and lose nothing that is stored."""

import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest

from app.core import ids, schema
from tests.conftest import ROOT


@dataclass
class Scratch:
    """A database without tables, and the settings that name it."""

    url: str
    settings: dict[str, str]

    def alembic(self, *command: str) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *command],
            cwd=ROOT, env=os.environ | self.settings, check=False, text=True, capture_output=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def refused(self, *command: str) -> str:
        """Run a command that must be refused; return what it says."""
        done = subprocess.run(
            [sys.executable, "-m", "alembic", *command],
            cwd=ROOT, env=os.environ | self.settings, check=False, text=True, capture_output=True, timeout=60,
        )  # fmt: skip
        assert done.returncode != 0
        return done.stdout + done.stderr

    async def value(self, statement: str, *values: object) -> object:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()


@pytest.fixture
async def scratch(environment: dict[str, str]) -> AsyncIterator[Scratch]:
    name = f"migrations_{uuid.uuid4().hex[:8]}"
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    await owner.execute(f"CREATE DATABASE {name}")
    url = environment["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    try:
        yield Scratch(url, environment | {"DATABASE_URL": url})
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()


async def test_migrations_go_up_match_the_models_and_go_down(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    scratch.alembic("check")
    scratch.alembic("downgrade", "base")
    scratch.alembic("upgrade", "head")


async def test_progress_moves_with_its_task_there_and_back(scratch: Scratch):
    scratch.alembic("upgrade", "0017")
    tenant_id, task_id, token = uuid.uuid4(), ids.new_id(), uuid.uuid4()
    await scratch.value("INSERT INTO tenant (id, slug, name, plan) VALUES ($1, 'a', 'a', 'pro')", tenant_id)
    await scratch.value(
        "INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, attempt, max_attempts,"
        " time_limit_seconds, status, finished_at) VALUES ($1, $2, 'echo', 'prefork', 4, '1', now(), 2, 3, 9,"
        " 'SUCCESS', now())",
        tenant_id, task_id,
    )  # fmt: skip
    for attempt, status in ((1, "FAILURE"), (2, "SUCCESS")):
        await scratch.value(
            "INSERT INTO attempt (tenant_id, task_id, attempt, status, claim_token, worker_id, progress, deadline_at)"
            " VALUES ($1, $2, $3, $4, $5, $5, jsonb_build_object('done', $3::integer), now())",
            tenant_id, task_id, attempt, status, token,
        )  # fmt: skip
    scratch.alembic("upgrade", "0018")
    assert await scratch.value("SELECT progress::text FROM task WHERE id = $1", task_id) == '{"done": 2}'
    with pytest.raises(asyncpg.PostgresError, match="never changes"):
        await scratch.value("UPDATE task SET progress = NULL WHERE id = $1", task_id)
    scratch.alembic("downgrade", "0017")
    moved = "SELECT array_agg(progress::text ORDER BY attempt) FROM attempt WHERE task_id = $1"
    assert await scratch.value(moved, task_id) == [None, '{"done": 2}']


async def test_a_downgrade_that_drops_tables_is_refused_where_there_are_tenants(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    head = await scratch.value("SELECT version_num FROM alembic_version")
    await scratch.value("INSERT INTO tenant (id, slug, name, plan) VALUES ($1, 'a', 'a', 'pro')", uuid.uuid4())
    for target in ("base", "0001", "0019"):
        said = scratch.refused("downgrade", target)
        assert "the database has tenants" in said
        assert "Traceback" not in said
    assert await scratch.value("SELECT version_num FROM alembic_version") == head == schema.EXPECTED
    assert await scratch.value("SELECT count(*) FROM process_heartbeat") == 0
    assert await scratch.value("SELECT count(*) FROM tenant") == 1


async def test_payloads_and_results_become_text_and_functions_stay_what_they_are(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    scratch.alembic("downgrade", "-1")
    functions = (
        "SELECT string_agg(replace(pg_get_functiondef(p.oid), 'jsonb', 'json') || coalesce(p.proacl::text, ''), ';'"
        " ORDER BY p.proname) FROM pg_proc p WHERE p.proname IN ('tasks_accept', 'tasks_claim', 'attempts_finish')"
    )
    before = await scratch.value(functions)
    tenant_id, task_id = uuid.uuid4(), ids.new_id()
    await scratch.value("INSERT INTO tenant (id, slug, name, plan) VALUES ($1, 'a', 'a', 'pro')", tenant_id)
    await scratch.value(
        "INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, max_attempts, time_limit_seconds)"
        " VALUES ($1, $2, 'echo', 'prefork', 4, '{\"b\": 1e22, \"a\": [null]}', now(), 3, 9)",
        tenant_id, task_id,
    )  # fmt: skip
    await scratch.value("INSERT INTO result VALUES ($1, $2, '\"x\"')", tenant_id, task_id)
    scratch.alembic("upgrade", "head")
    stored = "SELECT pg_typeof(payload)::text || ' ' || payload::text FROM task WHERE id = $1"
    assert await scratch.value(stored, task_id) == 'json {"a": [null], "b": 10000000000000000000000}'
    assert await scratch.value("SELECT result::text FROM result WHERE task_id = $1", task_id) == '"x"'
    assert await scratch.value(functions) == before
    scratch.alembic("downgrade", "-1")
    assert str(await scratch.value(stored, task_id)).startswith("jsonb ")
    assert await scratch.value(functions) == before
