"""Delete a tenant: start nothing new, end its running tasks, and erase its rows. A second call continues."""

import asyncio
from collections import Counter
from typing import Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.admin import offboarding_store as store
from app.audit import log as audit
from app.audit.log import Actor
from app.broker import tickets
from app.db import Database
from app.tasks.run import after_commit
from app.tenants import tenancy

# Rows of each table in one transaction.
_BATCH: Final = 5_000
_END_TIMEOUT: Final = 10.0
"""Seconds to wait for running tasks to end. A worker kills cancelled code within 5 s."""
_POLL_INTERVAL: Final = 0.2
_WAKE_TIMEOUT: Final = 10.0
"""Seconds for waking the workers: one message for each running task."""


async def offboard(database: Database, redis: Redis, actor: Actor, slug: str) -> dict[str, int]:
    """Erase a tenant, and return the number of erased rows of each table. Raises ``NotFound``, ``Unavailable``.

    A task that still runs after 10 s, on an unreachable worker, finds its row deleted and writes nothing.
    """
    # From this commit on no credential of the tenant is valid and no task of it starts.
    async with database.transaction() as connection:
        tenant = await tenancy.mark_deleted(connection, actor, slug)
        cancelled = await store.cancel_tenant(connection, tenant.id)
    await _tell_workers(redis, tenant.id, cancelled)
    await _wait_for_end(database, tenant.id)
    erased = await _erase(database, tenant.id)
    # Again: a worker or an api process may have offered a ticket meanwhile.
    await _forget(redis, tenant.id)
    async with database.transaction() as connection:
        # Without a tenant, because the tenant's own audit log was erased with it.
        await audit.record(connection, None, actor, "tenant.deleted", slug, {"tenant_id": str(tenant.id), **erased})
    return erased


async def _tell_workers(redis: Redis, tenant_id: UUID, running: list[UUID]) -> None:
    try:
        await tickets.forget(redis, tenant_id)
    except RedisError:
        return  # without the message, the workers' next poll finds the cancelled tasks
    await after_commit.ask_workers_to_end(redis, running, seconds=_WAKE_TIMEOUT)


async def _wait_for_end(database: Database, tenant_id: UUID) -> None:
    for _ in range(int(_END_TIMEOUT / _POLL_INTERVAL)):
        async with database.transaction() as connection:
            if not await store.running(connection, tenant_id):
                return
        await asyncio.sleep(_POLL_INTERVAL)


async def _erase(database: Database, tenant_id: UUID) -> dict[str, int]:
    erased: Counter[str] = Counter()
    # The function erases the tenant's own row last, when no other row is left.
    while "tenant" not in erased:
        async with database.transaction() as connection:
            erased.update(await store.erase_tenant(connection, tenant_id, _BATCH))
    return dict(erased)


async def _forget(redis: Redis, tenant_id: UUID) -> None:
    try:
        await tickets.forget(redis, tenant_id)
    except RedisError:
        return  # the keys that are left expire, or are tickets for which no task will be found
