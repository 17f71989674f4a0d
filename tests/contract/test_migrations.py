"""The migrations build what app/models, migrations/schema and migrations/functions declare, and lose nothing stored."""

import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import asyncpg
import pytest

from app.core import schema
from migrations import rights, script
from tests.conftest import ROOT

_MIGRATIONS = ROOT / "migrations"
_BASELINE = "r0001"
# All that pg_dump would show, in rows that can be compared. Columns by name: a revision can only add one at the end.
_CATALOGUE = """
WITH tables AS (
    SELECT c.* FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relname NOT LIKE 'alembic_version%'
), functions AS (
    SELECT p.* FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace
)
SELECT 'table', relname::text, concat_ws(' ', relkind, relrowsecurity, relforcerowsecurity, relispartition,
    (SELECT array_agg(o ORDER BY o) FROM unnest(reloptions) AS o), pg_get_partkeydef(oid)) FROM tables
UNION ALL
SELECT 'column', t.relname || '.' || a.attname, concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity, pg_get_expr(d.adbin, d.adrelid))
FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint', t.relname || '.' || c.conname, pg_get_constraintdef(c.oid)
FROM tables t JOIN pg_constraint c ON c.conrelid = t.oid
UNION ALL
SELECT 'index', tablename || '.' || indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version'
UNION ALL
SELECT 'trigger', t.relname || '.' || g.tgname, pg_get_triggerdef(g.oid)
FROM tables t JOIN pg_trigger g ON g.tgrelid = t.oid AND NOT g.tgisinternal
UNION ALL
SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid) FROM functions
UNION ALL
SELECT 'policy', tablename || '.' || policyname, concat_ws(' ', cmd, (SELECT array_agg(r ORDER BY r) FROM
    unnest(roles) AS r), qual, with_check) FROM pg_policies
UNION ALL
SELECT 'grant', g.name, string_agg(concat_ws(' ', coalesce(nullif(a.grantee, 0)::regrole::text, 'public'),
    a.privilege_type), ',' ORDER BY a.grantee::regrole::text, a.privilege_type)
FROM (
    SELECT relname::text AS name, relacl AS acl FROM tables
    UNION ALL SELECT t.relname || '.' || a.attname, a.attacl FROM tables t JOIN pg_attribute a ON a.attrelid = t.oid
    UNION ALL SELECT oid::regprocedure::text, proacl FROM functions
    UNION ALL SELECT 'schema', nspacl FROM pg_namespace WHERE nspname = 'public'
) AS g CROSS JOIN LATERAL aclexplode(g.acl) AS a GROUP BY g.name
UNION ALL
SELECT 'comment', t.relname || coalesce('.' || a.attname, ''), d.description
FROM tables t JOIN pg_description d ON d.objoid = t.oid AND d.classoid = 'pg_class'::regclass
LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.objsubid AND d.objsubid > 0
UNION ALL
SELECT 'row', 'auth_epoch', (SELECT jsonb_agg(e)::text FROM auth_epoch e)
UNION ALL
SELECT 'row', 'dispatcher_lease', (SELECT count(*)::text FROM dispatcher_lease)
"""


@dataclass
class Scratch:
    """A database without tables, and the settings that name it."""

    url: str
    settings: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a module's command against the database."""
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=ROOT, env=os.environ | self.settings, check=False, text=True, capture_output=True, timeout=60,
        )  # fmt: skip

    def alembic(self, *command: str) -> None:
        """Run a command of Alembic's that must succeed."""
        done = self.run("alembic", *command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"

    def refused(self, *command: str) -> str:
        """Run a command of Alembic's that must be refused; return what it says."""
        done = self.run("alembic", *command)
        assert done.returncode != 0
        return done.stdout + done.stderr

    async def value(self, statement: str, *values: object) -> object:
        """Return the first value of a statement."""
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    async def execute(self, statements: str) -> None:
        """Run statements that take no value."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    async def catalogue(self) -> dict[tuple[str, str], str]:
        """Return all that the database is made of, by kind and name."""
        connection = await asyncpg.connect(self.url)
        try:
            return {(kind, name): said for kind, name, said in await connection.fetch(_CATALOGUE)}
        finally:
            await connection.close()

    async def build_from_files(self) -> None:
        """Build the schema from the files alone, as the last step of every chain of revisions should leave it."""
        connection = await asyncpg.connect(self.url)
        try:
            await connection.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
            await connection.execute("SET check_function_bodies = off")
            for path in sorted((_MIGRATIONS / "functions").glob("*.sql")):
                await _execute(connection, [path.read_text(), *rights.of_function(path.stem)])
            for name in script.SCHEMA:
                await connection.execute((_MIGRATIONS / "schema" / f"{name}.sql").read_text())
            for table, owner_column in await connection.fetch(script.OWNER_COLUMN):
                await _execute(connection, rights.of_table(table, owner_column=owner_column))
            await _execute(connection, rights.of_schema())
        finally:
            await connection.close()


async def _execute(connection: asyncpg.Connection, statements: Iterable[str]) -> None:
    for statement in statements:
        await connection.execute(statement)


async def _new(environment: dict[str, str]) -> AsyncIterator[Scratch]:
    name = f"migrations_{uuid.uuid4().hex[:8]}"
    owner = await asyncpg.connect(environment["DATABASE_URL"])
    await owner.execute(f"CREATE DATABASE {name}")
    url = environment["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    try:
        yield Scratch(url, environment | {"DATABASE_URL": url})
    finally:
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await owner.close()


@pytest.fixture
async def scratch(environment: dict[str, str]) -> AsyncIterator[Scratch]:
    async for made in _new(environment):
        yield made


@pytest.fixture
async def other(environment: dict[str, str]) -> AsyncIterator[Scratch]:
    async for made in _new(environment):
        yield made


async def test_migrations_go_up_match_the_models_and_go_down(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    scratch.alembic("check")
    scratch.alembic("downgrade", "base")
    left = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'S')"
    assert await scratch.value(left) == 1
    assert await scratch.value("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace") == 0
    scratch.alembic("upgrade", "head")


async def test_the_chain_of_revisions_builds_what_the_files_build(scratch: Scratch, other: Scratch):
    scratch.alembic("upgrade", "head")
    await other.build_from_files()
    declared = await other.catalogue()
    assert {kind for kind, _ in declared} == {
        "table", "column", "constraint", "index", "trigger", "function", "policy", "grant", "comment", "row",
    }  # fmt: skip
    assert await scratch.catalogue() == declared
    # An existing database takes the revisions one by one, which a new one does not.
    scratch.alembic("downgrade", _BASELINE)
    scratch.alembic("upgrade", "head")
    assert await scratch.catalogue() == declared


async def test_the_comparison_sees_what_differs(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    before = await scratch.catalogue()
    for statement, kind in {
        "ALTER TABLE backlog SET (fillfactor = 70)": "table",
        "ALTER TABLE worker ALTER COLUMN pid SET DEFAULT 1": "column",
        "ALTER TABLE tenant_admitted DROP CONSTRAINT tenant_admitted_day_used_check": "constraint",
        "DROP INDEX backlog_long; CREATE INDEX backlog_long ON backlog (tenant_id, pool, due_at)": "index",
        "ALTER TRIGGER task_terminal ON task RENAME TO task_ended": "trigger",
        "ALTER FUNCTION prune_account RESET search_path": "function",
        "DROP POLICY tenant ON result": "policy",
        "GRANT SELECT (payload) ON task TO tq_dispatch": "grant",
        "COMMENT ON COLUMN task.priority IS 'another'": "comment",
        "GRANT EXECUTE ON FUNCTION slots_cap TO public": "grant",
    }.items():
        await scratch.execute(statement)
        after = await scratch.catalogue()
        assert {found for found, _ in dict(after.items() ^ before.items())} == {kind}, statement
        before = after


async def test_every_file_is_run_and_every_function_has_a_file(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    assert sorted(script.SCHEMA) == sorted(path.stem for path in (_MIGRATIONS / "schema").glob("*.sql"))
    functions = await scratch.value(
        "SELECT array_agg(proname ORDER BY proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
    )
    assert functions == script.functions() == sorted(rights.matrix()["functions"])
    tables = await scratch.value(
        "SELECT array_agg(relname ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'p') AND NOT relispartition AND relname <> 'alembic_version'"
    )
    assert tables == sorted(rights.matrix()["tables"])


async def test_a_downgrade_that_drops_tables_is_refused_where_there_are_tenants(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    head = await scratch.value("SELECT version_num FROM alembic_version")
    await scratch.value("INSERT INTO tenant (id, slug, name, plan) VALUES ($1, 'a', 'a', 'pro')", uuid.uuid4())
    said = scratch.refused("downgrade", "base")
    assert "the database has tenants" in said
    assert "Traceback" not in said
    assert await scratch.value("SELECT version_num FROM alembic_version") == head == schema.EXPECTED
    assert await scratch.value("SELECT count(*) FROM process_heartbeat") == 0
    assert await scratch.value("SELECT count(*) FROM tenant") == 1


@pytest.mark.parametrize("version", ["0001", "0027"])
async def test_a_database_from_before_the_baseline_is_refused_in_one_line(scratch: Scratch, version: str):
    await scratch.value("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    await scratch.value("CREATE TABLE tenant (id uuid)")
    await scratch.value("INSERT INTO alembic_version VALUES ($1)", version)
    done = scratch.run("app.admin", "migrate")
    assert (done.returncode, done.stdout) == (5, "")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"the schema is {version}, which is older than the baseline")
    assert "start with an empty database, or dump the data and restore it" in line
    assert line in scratch.refused("upgrade", "head")
    assert await scratch.value("SELECT array_agg(version_num::text) FROM alembic_version") == [version]
    assert await scratch.value("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 2


async def test_payloads_and_results_are_stored_as_the_text_that_came(scratch: Scratch):
    scratch.alembic("upgrade", "head")
    types = (
        "SELECT string_agg(format_type(atttypid, atttypmod), ' ') FROM pg_attribute"
        " WHERE (attrelid, attname) IN (('task'::regclass, 'payload'), ('result'::regclass, 'result'))"
    )
    assert await scratch.value(types) == "json json"
