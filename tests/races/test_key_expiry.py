"""The event key.expiring: written once for a key, by the dispatcher that leads."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.core import ids
from app.db import Connection, connect
from app.dispatch import key_expiry, key_store
from app.dispatch.key_expiry import AHEAD, KeyExpiry
from app.events.schemas import KeyEventData
from tests.conftest import role_url
from tests.races.conftest import Yard


@pytest.fixture
async def dispatch(yard: Yard) -> AsyncIterator[Connection]:
    """The connection of a dispatcher, in a database whose other keys expire later."""
    await yard.owner.execute("UPDATE api_key SET expires_at = NULL")
    made = await connect(role_url(yard.environment, "tq_dispatch"))
    yield made
    await made.close()


async def _key(yard: Yard, tenant_id: UUID, days: float | None, **changes: Any) -> UUID:
    """Store a key that ends in so many days."""
    key_id, expires_at = ids.new_id(), None if days is None else datetime.now(UTC) + timedelta(days=days)
    columns = {
        "tenant_id": tenant_id, "id": key_id, "key_id": f"k{key_id.hex}", "digest": b"", "pepper_id": "p", "name": "ci",
        "scopes": ["tasks:read"], "expires_at": expires_at,
    } | changes  # fmt: skip
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    await yard.owner.execute(f"INSERT INTO api_key ({', '.join(columns)}) VALUES ({places})", *columns.values())
    return key_id


async def _told(yard: Yard, tenant_id: UUID) -> list[UUID]:
    rows = await yard.owner.fetch("SELECT type, subject FROM event WHERE tenant_id = $1 ORDER BY seq", tenant_id)
    assert {row["type"] for row in rows} <= {8}
    return [row["subject"] for row in rows]


async def test_a_key_that_ends_within_seven_days_is_told_once(yard: Yard, dispatch: Connection):
    tenant_id = await yard.tenant()
    soon = await _key(yard, tenant_id, 6.99)
    await _key(yard, tenant_id, 7.01)
    await _key(yard, tenant_id, None)
    await _key(yard, tenant_id, -0.01)
    await _key(yard, tenant_id, 1, revoked_at=datetime.now(UTC))
    await _key(yard, tenant_id, 1, replaced_by="k2")
    keys = KeyExpiry(await yard.lead(dispatch))
    assert [await keys.tick() for _ in range(3)] == [1, 0, 0]
    # A new leader remembers nothing.
    assert await KeyExpiry(await yard.lead(dispatch)).tick() == 0
    assert await _told(yard, tenant_id) == [soon]
    data = await yard.owner.fetchval("SELECT data FROM event WHERE tenant_id = $1", tenant_id)
    told = KeyEventData.model_validate_json(data)
    stored = await yard.owner.fetchrow("SELECT key_id, name, expires_at FROM api_key WHERE id = $1", soon)
    assert tuple(told.model_dump().values()) == tuple(stored)


async def test_two_dispatchers_at_once_tell_of_a_key_once(yard: Yard, dispatch: Connection):
    tenants = [await yard.tenant() for _ in range(5)]
    keys = [await _key(yard, tenant_id, 1) for tenant_id in tenants]
    fence = await yard.fence()
    second = await connect(role_url(yard.environment, "tq_dispatch"))

    async def tell(connection: Connection) -> int:
        return await key_store.tell_expiring_any_tenant(connection, AHEAD, 100, fence)

    # While a claim or an end holds the slots of one tenant, both give up and write nothing.
    async with yard.owner.transaction():
        await yard.owner.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", tenants[0])
        failed = await asyncio.gather(tell(dispatch), tell(second), return_exceptions=True)
        assert {type(error).__name__ for error in failed} == {"LockNotAvailableError"}
    assert sum(await asyncio.gather(tell(dispatch), tell(second))) == len(keys)
    await second.close()
    assert [await _told(yard, tenant_id) for tenant_id in tenants] == [[key_id] for key_id in keys]


async def test_a_dispatcher_that_does_not_lead_tells_nothing(yard: Yard, dispatch: Connection):
    tenant_id = await yard.tenant()
    await _key(yard, tenant_id, 1)
    assert await key_store.tell_expiring_any_tenant(dispatch, AHEAD, 100, uuid.uuid4()) == 0
    assert await _told(yard, tenant_id) == []
    assert await KeyExpiry(await yard.lead(dispatch)).tick() == 1


async def test_a_full_batch_is_followed_by_the_next_one_at_once(
    yard: Yard, dispatch: Connection, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(key_expiry, "_MAX_KEYS", 2)
    tenant_id = await yard.tenant()
    made = [await _key(yard, tenant_id, days) for days in (3, 1, 2)]
    keys = KeyExpiry(await yard.lead(dispatch))
    assert [(await keys.tick(), keys.is_behind) for _ in range(2)] == [(2, True), (1, False)]
    # Those that end first come first.
    told = await _told(yard, tenant_id)
    assert (set(told[:2]), told[2]) == ({made[1], made[2]}, made[0])


async def test_a_tenant_without_events_is_told_when_it_has_an_endpoint_in_time(yard: Yard, dispatch: Connection):
    tenant_id = await yard.tenant()
    key_id, keys = await _key(yard, tenant_id, 1), KeyExpiry(await yard.lead(dispatch))
    change = "UPDATE tenant_slots SET features = $2 WHERE tenant_id = $1"
    await yard.owner.execute(change, tenant_id, 0)
    assert await keys.tick() == 0
    await yard.owner.execute(change, tenant_id, 2)
    assert await keys.tick() == 1
    assert await _told(yard, tenant_id) == [key_id]
