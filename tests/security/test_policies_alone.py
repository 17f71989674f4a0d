"""The database's policies, with no WHERE to help them: each role, each table, each kind of statement."""

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import pytest

from app.core import secrets
from tests.conftest import role_url, wait_until
from tests.security.world import Side, World

SEEING_ALL = {"tq_dispatch", "tq_webhook", "tq_auth", "tq_admin"}
"""By their work; what they may read there, docs/security-isolation.md tells and tests/docs hold."""
SCOPED = sorted({*secrets.ROLES} - SEEING_ALL)

_TABLES = """
SELECT c.relname AS name, CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END AS owner
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND a.attname = CASE c.relname WHEN 'tenant' THEN 'id' ELSE 'tenant_id' END
"""
_COLUMN = """
SELECT a.attname FROM pg_attribute a
WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND has_column_privilege($2, a.attrelid, a.attnum, $3)
ORDER BY a.attname = $4 DESC, a.attnum LIMIT 1
"""


@dataclass(frozen=True)
class Table:
    """A table, and its column that says whose a row is."""

    name: str
    owner: str


class Role:
    """A role's connection, with a transaction that is never kept."""

    def __init__(self, world: World, role: str, run: asyncio.Runner) -> None:
        self.world = world
        self.role = role
        self._run = run
        self._connection = run.run(asyncpg.connect(role_url(world.environment, role)))

    def close(self) -> None:
        self._run.run(self._connection.close())

    def may(self, table: Table, what: str) -> bool:
        if what == "DELETE":
            return bool(self.world.sql("SELECT has_table_privilege($1, $2, 'DELETE')", self.role, table.name)[0][0])
        return bool(self.column(table, what))

    def column(self, table: Table, what: str) -> str | None:
        """Return a column that the role may do this with, the owner's before others."""
        found = self.world.sql(_COLUMN, table.name, self.role, what, table.owner)
        return str(found[0][0]) if found else None

    def affected(self, statement: str, tenants: str | None) -> int:
        """Return how many rows a statement sees or changes, in the scope of some tenants or of none."""

        async def act() -> int:
            transaction = self._connection.transaction()
            await transaction.start()
            try:
                if tenants is not None:
                    await self._connection.execute("SELECT set_config('app.tenant_ids', $1, true)", tenants)
                return int((await self._connection.execute(statement)).rpartition(" ")[2])
            except asyncpg.InvalidTextRepresentationError:
                # A connection that has had a scope refuses what comes without one.
                assert tenants is None
                return 0
            finally:
                await transaction.rollback()

        return self._run.run(act())


@pytest.fixture(scope="module")
def furnished(world: World) -> World:
    """Two tenants of which nobody else makes or runs anything, with rows in every table that holds any."""
    made = copy.copy(world)
    made.own, made.other = made.side("one"), made.side("two")
    for side in (made.own, made.other):
        ended = made.task(side, delay_seconds=0, webhook_url="http://127.0.0.1:9/", task="echo")
        made.call("GET", f"/api/tasks/{ended}/result?wait=20", side.api_key)
        made.call(
            "POST", "/api/tasks/submit", side.api_key, json={"delay_seconds": 3600}, headers={"Idempotency-Key": "k"}
        )
        made.call("POST", "/api/auth/revoke", None, data={"token": made.token(side)})
    rolled_up = "SELECT FROM usage_by_task WHERE attempts > 0 AND tenant_id = ANY($1::uuid[])"
    wait_until(lambda: len(made.sql(rolled_up, [made.own.tenant_id, made.other.tenant_id])) == 2, "a roll-up")
    return made


@pytest.fixture(scope="module", params=SCOPED)
def role(request: pytest.FixtureRequest, furnished: World) -> Iterator[Role]:
    with asyncio.Runner() as run:
        made = Role(furnished, request.param, run)
        yield made
        made.close()


def _tables(world: World) -> list[Table]:
    return [Table(row["name"], row["owner"]) for row in world.sql(_TABLES)]


def _count(world: World, table: Table, side: Side, also: str = "") -> int:
    count = f"SELECT count(*) FROM (SELECT * FROM {table.name}{also}) AS t WHERE t.{table.owner} = $1::uuid"
    return int(world.sql(count, side.tenant_id)[0][0])


def _waiting(table: Table) -> str:
    # A trigger keeps ended tasks from whoever would change them.
    return " WHERE finished_at IS NULL" if table.name == "task" else ""


def _only(side: Side) -> str:
    return "{" + side.tenant_id + "}"


def test_without_a_where_a_role_sees_the_rows_of_its_transactions_tenants(role: Role):
    seen = 0
    for table in _tables(role.world):
        if not (column := role.column(table, "SELECT")):
            continue
        select = f"SELECT {column} FROM {table.name}"
        assert role.affected(select, None) == 0, table
        assert role.affected(select, "{}") == 0, table
        for side in (role.world.own, role.world.other):
            assert role.affected(select, _only(side)) == _count(role.world, table, side), table
            seen += _count(role.world, table, side)
    assert seen or role.role == "tq_submit"


def test_without_a_where_a_role_changes_the_rows_of_its_transactions_tenants(role: Role):
    changed = 0
    for table in _tables(role.world):
        for what in ("UPDATE", "DELETE"):
            # To change a row it must also be read: without that nothing is changed at all.
            if not (role.may(table, what) and role.column(table, "SELECT")):
                continue
            column = role.column(table, what) if what == "UPDATE" else None
            change = f"UPDATE {table.name} SET {column} = {column}" if column else f"DELETE FROM {table.name}"
            change += _waiting(table)
            assert role.affected(change, None) == role.affected(change, "{}") == 0, change
            own = role.affected(change, _only(role.world.own))
            assert own == _count(role.world, table, role.world.own, _waiting(table)), change
            changed += own
    assert changed or role.role == "tq_submit"


def test_a_role_writes_no_row_of_a_tenant_that_is_not_its_transactions(role: Role):
    for table in _tables(role.world):
        if role.column(table, "INSERT") != table.owner:
            continue
        insert = f"INSERT INTO {table.name} ({table.owner}) VALUES ('{role.world.other.tenant_id}')"
        for scope in ("{}", _only(role.world.own)):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                role.affected(insert, scope)
