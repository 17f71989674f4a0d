"""Starting, showing and cancelling operations, without a dispatcher that would end them."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.core.errors import IdempotencyMismatch, IllegalState, LimitReached, NotFound
from app.db import Database
from app.identity.principal import Actor
from app.operations import asking
from app.tasks.submit.new_tasks import Idempotency
from tests.races.conftest import Yard

_ACTOR = Actor("api_key", "0123456789ab", "192.0.2.1")
_CHOSEN = {"tag": "x"}


@pytest.fixture
async def accounts(yard: Yard) -> AsyncIterator[Database]:
    """The role that stores requests for operations."""
    database = yard.database("tq_account")
    yield database
    await database.close()


async def _start(accounts: Database, tenant_id: UUID, key: Idempotency | None = None) -> asking.Asked:
    return await asking.start(accounts, tenant_id, _ACTOR, "tasks.cancel", _CHOSEN, key)


async def _end_all(owner: "asyncpg.Connection[Any]", tenant_id: UUID) -> None:
    await owner.execute(
        "UPDATE operation SET status = 'SUCCEEDED', finished_at = now() WHERE tenant_id = $1 AND finished_at IS NULL",
        tenant_id,
    )


async def test_a_fourth_operation_at_once_is_refused_and_only_three_of_many_requests_pass(
    yard: Yard,
    accounts: Database,
):
    tenant_id = await yard.tenant()
    asked = await asyncio.gather(*(_start(accounts, tenant_id) for _ in range(6)), return_exceptions=True)
    assert sorted(isinstance(one, LimitReached) for one in asked) == [False] * 3 + [True] * 3
    await _end_all(yard.owner, tenant_id)
    assert (await _start(accounts, tenant_id)).status == "RUNNING"


async def test_a_thousand_operations_a_day_are_enough(yard: Yard, accounts: Database):
    tenant_id = await yard.tenant()
    await yard.owner.execute(
        "INSERT INTO operation (tenant_id, id, kind, filter, asked_by, status, finished_at)"
        " SELECT $1, overlay(gen_random_uuid()::text PLACING substr($2::text, 1, 14) FROM 1 FOR 14)::uuid, 'tasks.cancel',"
        " '{}', 'key', 'SUCCEEDED', now() FROM generate_series(1, 999)",
        tenant_id, str((await _start(accounts, await yard.tenant())).operation_id),
    )  # fmt: skip
    await _start(accounts, tenant_id)
    with pytest.raises(LimitReached, match="24 hours"):
        await _start(accounts, tenant_id)
    await yard.owner.execute(
        "UPDATE operation SET created_at = now() - interval '25 hours' WHERE tenant_id = $1", tenant_id
    )
    await _start(accounts, tenant_id)


async def test_a_key_starts_one_operation_also_for_requests_at_once(yard: Yard, accounts: Database):
    tenant_id, key = await yard.tenant(), Idempotency("k", b"one")
    asked = await asyncio.gather(*(_start(accounts, tenant_id, key) for _ in range(5)))
    assert len({one.operation_id for one in asked}) == 1
    assert sorted(one.is_replay for one in asked) == [False, True, True, True, True]
    with pytest.raises(IdempotencyMismatch):
        await _start(accounts, tenant_id, Idempotency("k", b"two"))
    # A replay is no new operation, so it is answered also when no further one may start.
    await _start(accounts, tenant_id)
    await _start(accounts, tenant_id)
    assert (await _start(accounts, tenant_id, key)).is_replay


async def test_a_key_is_free_again_after_a_day(yard: Yard, accounts: Database):
    tenant_id, key = await yard.tenant(), Idempotency("k", b"one")
    first = await _start(accounts, tenant_id, key)
    await yard.owner.execute(
        "UPDATE operation SET created_at = now() - interval '25 hours' WHERE tenant_id = $1", tenant_id
    )
    second = await _start(accounts, tenant_id, Idempotency("k", b"two"))
    assert (second.operation_id != first.operation_id, second.is_replay) == (True, False)


async def test_another_tenants_operation_is_an_unknown_one_and_runs_on(yard: Yard, accounts: Database):
    tenant_id, other = await yard.tenant(), await yard.tenant()
    started = await _start(accounts, tenant_id)
    for operation_id in (started.operation_id, uuid.uuid4()):
        with pytest.raises(NotFound):
            await asking.cancel(accounts, other, _ACTOR, operation_id)
        with pytest.raises(NotFound):
            await asking.show(accounts, other, operation_id)
    found = await asking.show(accounts, tenant_id, started.operation_id)
    assert (found.status, found.cancel_requested) == ("RUNNING", False)
    assert await yard.owner.fetchval("SELECT count(*) FROM audit_event WHERE tenant_id = $1", other) == 0


async def test_a_cancel_is_asked_once_and_audited_once(yard: Yard, accounts: Database):
    tenant_id = await yard.tenant()
    started = await _start(accounts, tenant_id)
    for _ in range(2):
        found = await asking.cancel(accounts, tenant_id, _ACTOR, started.operation_id)
        assert (found.status, found.cancel_requested, found.total, found.progress) == ("RUNNING", True, None, None)
    rows = await yard.owner.fetch(
        "SELECT action, object, actor FROM audit_event WHERE tenant_id = $1 ORDER BY id", tenant_id
    )
    name = str(started.operation_id)
    assert [tuple(row) for row in rows] == [
        ("operation.started", name, _ACTOR.name), ("operation.cancelled", name, _ACTOR.name),
    ]  # fmt: skip
    await _end_all(yard.owner, tenant_id)
    with pytest.raises(IllegalState):
        await asking.cancel(accounts, tenant_id, _ACTOR, started.operation_id)


async def test_operations_do_not_use_up_the_changes_of_keys_and_members(yard: Yard, accounts: Database):
    tenant_id = await yard.tenant()
    await yard.owner.execute(
        "INSERT INTO audit_event (id, tenant_id, actor_type, actor, action, object)"
        " SELECT overlay(gen_random_uuid()::text PLACING substr($2::text, 1, 14) FROM 1 FOR 14)::uuid, $1, 'api_key', 'a',"
        " 'operation.started', 'x' FROM generate_series(1, 1000)",
        tenant_id, str((await _start(accounts, await yard.tenant())).operation_id),
    )  # fmt: skip
    async with accounts.transaction(tenant_id) as connection:
        assert not await asking.audit.is_day_full(connection, tenant_id)
