"""A tenant leaves: nothing new starts, what runs ends, and everything of it is erased. Begun again, it goes on."""

import asyncio
from collections import Counter
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.admin import offboarding_store as store
from app.audit import store as audit
from app.audit.store import Actor
from app.broker import tickets
from app.db import Database
from app.tasks.run import after_commit
from app.tenants import tenancy

_BATCH: Final = 5_000
_WAIT: Final = 10.0
"""Seconds for running tasks to end; a worker kills cancelled code within 5."""
_STEP: Final = 0.2
_WAKE_TIMEOUT: Final = 10.0
"""Seconds for waking the workers: one message for each running task."""


async def offboard(database: Database, redis: Redis, actor: Actor, slug: str) -> dict[str, int]:
    """Erase a tenant; return how many rows of each table went. Raises ``NotFound``, ``Unavailable``.

    What still runs after 10 s, on a worker that is not reached, finds its row gone and writes nothing.
    """
    async with database.transaction() as connection:
        tenant = await tenancy.mark_deleted(connection, actor, slug)
        cancelled = await store.cancel_tenant(connection, tenant.id)
    await _tell_workers(redis, tenant.id, cancelled)
    await _wait_for_end(database, tenant.id)
    erased = await _erase(database, tenant.id)
    await _forget(redis, tenant.id)
    async with database.transaction() as connection:
        await audit.record(connection, None, actor, "tenant.deleted", slug, {"tenant_id": str(tenant.id), **erased})
    return erased


async def _tell_workers(redis: Redis, tenant_id: UUID, running: list[UUID]) -> None:
    try:
        await tickets.forget(redis, tenant_id)
    except RedisError:
        return  # the workers look for themselves
    await after_commit.ask_workers_to_end(redis, running, seconds=_WAKE_TIMEOUT)


async def _wait_for_end(database: Database, tenant_id: UUID) -> None:
    for _ in range(int(_WAIT / _STEP)):
        async with database.transaction() as connection:
            if not await store.running(connection, tenant_id):
                return
        await asyncio.sleep(_STEP)


async def _erase(database: Database, tenant_id: UUID) -> dict[str, int]:
    erased: Counter[str] = Counter()
    while "tenant" not in erased:
        async with database.transaction() as connection:
            erased.update(await store.erase_tenant(connection, tenant_id, _BATCH))
    return dict(erased)


async def _forget(redis: Redis, tenant_id: UUID) -> None:
    try:
        await tickets.forget(redis, tenant_id)
    except RedisError:
        return  # what is left there expires, or is a ticket for nobody
