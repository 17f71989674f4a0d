"""A cancel or an expiry meets an end that cancels waiting tasks: they lock in one order, and neither is lost."""

import asyncio
import contextlib
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from app.db import Database
from app.tasks.run.end import cancel, expire
from tests.races.conftest import Yard

_MEETINGS = 20


async def _cancel(database: Database, tenant_id: uuid.UUID, task_id: uuid.UUID) -> None:
    assert await cancel(database, tenant_id, task_id) == "REVOKED"


async def _expire(database: Database, tenant_id: uuid.UUID, task_id: uuid.UUID) -> None:
    assert not await expire(database, tenant_id, [task_id])


async def _waits_for_a_lock(yard: Yard) -> None:
    """Return as soon as a connection waits for a lock."""
    # Not pg_stat_activity: a transaction sees it as it was when it first looked.
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    while not await yard.owner.fetchval(waiting):  # noqa: ASYNC110 the server knows, no event does
        await asyncio.sleep(0.002)


async def _end_that_cancels(yard: Yard, tenant_id: uuid.UUID, task_id: uuid.UUID, meet: Callable[[], Any]) -> None:
    """Lock the slots, let the other begin, then end a waiting task of the same tenant."""
    async with yard.owner.transaction():
        await yard.owner.execute("SELECT FROM tenant_slots WHERE tenant_id = $1 FOR UPDATE", tenant_id)
        meet()
        await _waits_for_a_lock(yard)
        await yard.owner.execute("DELETE FROM backlog WHERE tenant_id = $1 AND task_id = $2", tenant_id, task_id)
        await yard.owner.execute("UPDATE tenant_slots SET departed = departed + 1 WHERE tenant_id = $1", tenant_id)
        await yard.owner.execute(
            "UPDATE task SET status = 'REVOKED', finished_at = now() WHERE tenant_id = $1 AND id = $2",
            tenant_id,
            task_id,
        )


@pytest.mark.parametrize(("act", "role"), [(_cancel, "tq_api"), (_expire, "tq_worker")], ids=["cancel", "expiry"])
async def test_a_cancel_and_an_expiry_never_deadlock_with_an_end(yard: Yard, act: Callable[..., Any], role: str):
    database = yard.database(role)
    tenant_id = await yard.tenant()
    try:
        for task_id in await yard.tasks(tenant_id, _MEETINGS, expires_seconds=0.0):
            met: list[asyncio.Task[None]] = []

            def meet(task_id: uuid.UUID = task_id, met: list[asyncio.Task[None]] = met) -> None:
                met.append(asyncio.create_task(act(database, tenant_id, task_id)))

            try:
                async with asyncio.timeout(10):
                    await _end_that_cancels(yard, tenant_id, task_id, meet)
                    await met[0]
            finally:
                with contextlib.suppress(BaseException):
                    await met[0]
        left = "SELECT departed FROM tenant_slots WHERE tenant_id = $1"
        assert await yard.owner.fetchval(left, tenant_id) == _MEETINGS
    finally:
        await database.close()
