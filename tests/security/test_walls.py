"""What the roles may do besides tables: run functions as the owner, make tables of their own, reach other databases."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest

from app.core import ids, secrets
from app.tenants import plans
from tests.conftest import Tenant, role_url

SEARCH_PATH = "search_path=pg_catalog, public, pg_temp"

_DEFINERS = """
SELECT p.oid::regprocedure::text AS name, p.proconfig AS settings FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace AND p.prosecdef
"""


@pytest.fixture
async def owner(environment: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """Return the owner's connection."""
    connection = await asyncpg.connect(environment["DATABASE_URL"])
    yield connection
    await connection.close()


@pytest.fixture
async def dispatcher(environment: dict[str, str]) -> AsyncIterator[asyncpg.Connection]:
    """Return a connection of the role tq_dispatch."""
    connection = await asyncpg.connect(role_url(environment, "tq_dispatch"))
    yield connection
    await connection.close()


async def test_every_function_that_runs_as_the_owner_looks_into_temporary_tables_last(owner: asyncpg.Connection):
    found = {row["name"]: row["settings"] or [] for row in await owner.fetch(_DEFINERS)}
    assert "prune_tasks(uuid,timestamp with time zone,integer)" in found
    assert [name for name, settings in found.items() if SEARCH_PATH not in settings] == []


async def test_a_temporary_table_of_the_callers_does_not_come_between_a_function_and_its_table(
    owner: asyncpg.Connection, acme: Tenant
):
    transaction = owner.transaction()
    await transaction.start()
    try:
        before = await owner.fetchval("SELECT epoch FROM public.auth_epoch")
        await owner.execute("CREATE TEMPORARY TABLE auth_epoch (epoch bigint)")
        await owner.execute("UPDATE public.tenant SET name = name WHERE id = $1", uuid.UUID(acme.tenant_id))
        assert await owner.fetchval("SELECT epoch FROM public.auth_epoch") == before + 1
    finally:
        await transaction.rollback()


@pytest.mark.parametrize("role", secrets.ROLES)
async def test_a_role_makes_no_tables_no_schemas_and_no_large_objects(
    environment: dict[str, str], owner: asyncpg.Connection, role: str
):
    for privilege in ("TEMPORARY", "CREATE"):
        assert not await owner.fetchval("SELECT has_database_privilege($1, current_database(), $2)", role, privilege)
    connection = await asyncpg.connect(role_url(environment, role))
    try:
        for statement in (
            "CREATE TEMPORARY TABLE mine (id integer)",
            "CREATE TABLE public.mine (id integer)",
            "CREATE SCHEMA mine",
            "SELECT lo_create(0)",
            "SELECT lo_creat(-1)",
            "SELECT lo_from_bytea(0, 'x')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_retention_inside_the_database_is_that_of_the_plans(owner: asyncpg.Connection):
    known = {name: await owner.fetchval("SELECT plan_retention_days($1)", name) for name in plans.PLANS}
    assert known == {name: plan.retention_days for name, plan in plans.PLANS.items()}


async def test_the_hours_of_events_inside_the_database_are_those_of_the_plans(owner: asyncpg.Connection):
    known = {name: await owner.fetchval("SELECT plan_event_hours($1)", name) for name in plans.PLANS}
    assert known == {name: plan.event_hours for name, plan in plans.PLANS.items()}


@pytest.mark.parametrize(("override", "age", "goes"), [(None, 8, 1), (None, 6, 0), (20, 19, 0), (20, 21, 1), (3, 4, 1)])
async def test_a_caller_prunes_nothing_that_is_within_its_tenants_retention(
    owner: asyncpg.Connection, dispatcher: asyncpg.Connection, override: int | None, age: int, goes: int
):
    tenant_id = await _tenant(owner, override)
    task_id = await _ended_task(owner, tenant_id, timedelta(days=age))
    try:
        assert await dispatcher.fetchval("SELECT prune_tasks($1, now() + interval '1 day', 10)", tenant_id) == goes
        assert await owner.fetchval("SELECT count(*) FROM task WHERE id = $1", task_id) == 1 - goes
    finally:
        await owner.execute("DELETE FROM tenant WHERE id = $1", tenant_id)


async def test_a_caller_drops_no_month_of_today_or_to_come(owner: asyncpg.Connection, dispatcher: asyncpg.Connection):
    months = "SELECT array_agg(inhrelid::regclass::text ORDER BY 1) FROM pg_inherits WHERE inhparent = 'task'::regclass"
    # A month that has ended since the database was made.
    await dispatcher.fetchval("SELECT drop_partitions(now())")
    before = await owner.fetchval(months)
    assert await dispatcher.fetchval("SELECT drop_partitions(now() + interval '1 year')") == 0
    assert await owner.fetchval(months) == before


async def test_ended_keys_go_after_90_days_and_audit_events_after_400(
    owner: asyncpg.Connection, dispatcher: asyncpg.Connection
):
    tenant_id = await _tenant(owner, None)
    keys = {name: await _key(owner, tenant_id, name) for name in ("holds", "revoked long ago", "revoked", "expired")}
    for name, column, days in (
        ("revoked long ago", "revoked_at", 91),
        ("revoked", "revoked_at", 89),
        ("expired", "expires_at", 91),
    ):
        await owner.execute(
            f"UPDATE api_key SET {column} = now() - make_interval(days => $2) WHERE id = $1", keys[name], days
        )
    events = {days: await _event(owner, tenant_id, days) for days in (1, 399, 401)}
    try:
        assert await dispatcher.fetchval("SELECT prune_account($1, 10)", tenant_id) == 3
        left = await owner.fetch("SELECT name FROM api_key WHERE tenant_id = $1 ORDER BY name", tenant_id)
        assert [row["name"] for row in left] == ["holds", "revoked"]
        kept = await owner.fetch("SELECT id FROM audit_event WHERE tenant_id = $1", tenant_id)
        assert {row["id"] for row in kept} == {events[1], events[399]}
    finally:
        await owner.execute("DELETE FROM audit_event WHERE tenant_id = $1", tenant_id)
        await owner.execute("DELETE FROM tenant WHERE id = $1", tenant_id)


async def _tenant(owner: asyncpg.Connection, retention_days: int | None) -> uuid.UUID:
    tenant_id = uuid.uuid4()
    limits = {} if retention_days is None else {"retention_days": retention_days}
    await owner.execute(
        "INSERT INTO tenant (id, slug, name, plan, limits) VALUES ($1, $2, 'walls', 'free', $3::text::jsonb)",
        tenant_id, f"walls-{tenant_id.hex[:12]}", str(limits).replace("'", '"'),
    )  # fmt: skip
    return tenant_id


async def _id_of_age(owner: asyncpg.Connection, age: timedelta) -> uuid.UUID:
    now = float(await owner.fetchval("SELECT extract(epoch FROM now())"))
    return uuid.UUID(int=ids.first_id_at(now - age.total_seconds()).int | uuid.uuid4().int >> 56)


async def _ended_task(owner: asyncpg.Connection, tenant_id: uuid.UUID, age: timedelta) -> uuid.UUID:
    task_id = await _id_of_age(owner, age)
    await owner.execute(
        "INSERT INTO task (tenant_id, id, task, pool, priority, payload, due_at, max_attempts, time_limit_seconds, status,"
        " finished_at) VALUES ($1, $2, 'echo', 'prefork', 4, '1', now(), 3, 9, 'SUCCESS', now() - $3::interval)",
        tenant_id, task_id, age,
    )  # fmt: skip
    return task_id


async def _key(owner: asyncpg.Connection, tenant_id: uuid.UUID, name: str) -> uuid.UUID:
    key_id = await _id_of_age(owner, timedelta(days=200))
    await owner.execute(
        "INSERT INTO api_key (tenant_id, id, key_id, digest, pepper_id, name, scopes)"
        " VALUES ($1, $2, $3, '', 'p', $4, '{}')",
        tenant_id, key_id, key_id.hex, name,
    )  # fmt: skip
    return key_id


async def _event(owner: asyncpg.Connection, tenant_id: uuid.UUID, days: int) -> uuid.UUID:
    event_id = await _id_of_age(owner, timedelta(days=days))
    await owner.execute(
        "INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)"
        " VALUES ($1, $2, 'api_key', 'k', 'key.issued', 'k')",
        event_id, tenant_id,
    )  # fmt: skip
    return event_id
