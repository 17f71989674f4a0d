"""What the pages on security say of roles, processes and libraries is so."""

import re
import subprocess
import sys
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.api_parts import _Databases
from app.core import secrets
from app.core.secrets import Secrets
from tests.conftest import ROOT
from tests.docs import pages

SECURITY = ROOT / "docs" / "security-isolation.md"

_MAY = """
SELECT c.relname AS "table", r.rolname AS role, string_agg(CASE
    WHEN has_table_privilege(r.oid, c.oid, v.name) THEN v.letter
    WHEN v.name <> 'DELETE' AND has_any_column_privilege(r.oid, c.oid, v.name) THEN '(' || v.letter || ')'
    ELSE '' END, '' ORDER BY v.place) AS may
FROM pg_class c CROSS JOIN pg_roles r CROSS JOIN (VALUES
    (1, 'SELECT', 'r'), (2, 'INSERT', 'a'), (3, 'UPDATE', 'c'), (4, 'DELETE', 'd')) AS v (place, name, letter)
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND c.relname <> 'alembic_version' AND r.rolname = ANY($1)
GROUP BY c.relname, r.rolname
"""
_READ_BY_COLUMN = """
SELECT DISTINCT a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid CROSS JOIN pg_roles r
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND r.rolname = ANY($1)
  AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT') AND NOT has_table_privilege(r.oid, c.oid, 'SELECT')
"""
_OF_PARTITIONS = """
SELECT c.relname FROM pg_class c CROSS JOIN pg_roles r
WHERE c.relispartition AND r.rolname = ANY($1) AND has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE')
"""
_WITHOUT_FORCE = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
"""
_OPEN = "SELECT DISTINCT unnest(roles) FROM pg_policies WHERE qual = 'true' AND policyname <> 'owner'"
_PROGRAM = """
import sys
import app.main, app.worker.jobs, app.dispatch.loop, app.webhooks.delivery.process, app.http_requests.process, app.operator.process, app.admin.commands
print('jose' in sys.modules, 'ecdsa' in sys.modules, 'rsa' in sys.modules)
"""


@pytest.fixture
async def rights(environment: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection that may look up everybody's rights."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


async def test_the_matrix_of_roles_is_what_the_migrations_grant(rights: asyncpg.Connection):
    columns = [f"`{role}`" for role in secrets.ROLES]
    told = {
        (pages.code(row[0])[0], role): may
        for row in pages.table(SECURITY, "table", *columns)
        for role, may in zip(secrets.ROLES, row[1:], strict=True)
    }
    assert told == {(row["table"], row["role"]): row["may"] for row in await rights.fetch(_MAY, secrets.ROLES)}


async def test_what_is_read_by_column_holds_nothing_secret_and_partitions_hold_no_grant(rights: asyncpg.Connection):
    readable = {row[0] for row in await rights.fetch(_READ_BY_COLUMN, secrets.ROLES)}
    assert "claim_token" in readable
    assert not readable & {
        "payload",
        "result",
        "error",
        "progress",
        "digest",
        "invitation",
        "password_hash",
        "sealed",
        "body",
        "url",
    }
    assert await rights.fetch(_OF_PARTITIONS, secrets.ROLES) == []


async def test_policies_are_forced_and_four_roles_see_all_tenants(rights: asyncpg.Connection):
    without = {row[0] for row in await rights.fetch(_WITHOUT_FORCE)}
    assert without == {
        "alembic_version", "auth_epoch", "dispatcher_lease", "long_task_type", "operator_link", "operator_session", "person", "pool_slots",
        "process_heartbeat", "worker",
    }  # fmt: skip
    seeing_all = {row[0] for row in await rights.fetch(_OPEN)}
    assert seeing_all == {"tq_dispatch", "tq_webhook", "tq_auth", "tq_admin"}


def test_each_process_logs_in_as_the_table_says():
    folders = {
        "dispatcher": "dispatch/**/*.py",
        "worker": "worker/**/*.py",
        "webhooks": "webhooks/**/*.py",
        "http": "http_requests/**/*.py",
        "operator": "operator/**/*.py",
    }
    told = {row[0]: set(pages.code(row[1])) for row in pages.table(SECURITY, "process", "logs in as")}
    assert told.pop("api") == {f"tq_{role}" for role in _Databases._fields}
    for process, files in folders.items():
        texts = [path.read_text() for path in (ROOT / "app").glob(files)]
        assert told[process] == {role for text in texts for role in re.findall(r'"(tq_[a-z]+)"', text)}, process


def test_a_process_can_do_with_a_secrets_file_of_its_own():
    passwords = {"tq_webhook": "one"}
    assert Secrets(pepper_id="p1", peppers={}, kek_id="k1", keks={}, role_passwords=passwords).jwt_keys == ()


def test_the_package_ecdsa_is_installed_but_no_process_imports_it():
    settings = {"PYTHONPATH": str(ROOT), "DATABASE_URL": "postgresql://nowhere/none", "REDIS_URL": "redis://nowhere"}
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], cwd=ROOT, env=settings, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "True False False\n"


def test_each_confined_library_is_imported_where_the_page_says():
    places = {
        "jose": {"app/identity/tokens.py", "app/identity/keyring.py"},
        "passlib": {"app/accounts/passwords.py"},
        "slowapi": {"app/accounts/address_limit.py"},
    }
    modules = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "app").rglob("*.py")}
    for library, told in places.items():
        importing = re.compile(rf"^\s*(from|import) {library}\b", re.MULTILINE)
        assert {path for path, text in modules.items() if importing.search(text)} == told, library
