"""Following a task: its status, its attempts, its result and the wait for it."""

import asyncio
from typing import Any, Final
from uuid import UUID

from app.broker.wakeups import Waiters
from app.core.errors import NotFound
from app.db import Database
from app.tasks import store
from app.tasks.schemas import FINAL, Attempt, TaskDetail, TaskFilter, TaskResult, TaskStatus, TaskSummary

# A wake-up may be lost with Redis: look again after so long, seconds.
_LOOK_AGAIN: Final = 2.0


async def status(reader: Database, tenant_id: UUID, task_id: UUID) -> TaskStatus:
    """Return where a task stands; raises ``NotFound``."""
    async with reader.transaction(tenant_id) as connection:
        row = await store.status(connection, tenant_id, task_id)
    return TaskStatus.model_validate(dict(_known(row)))


async def detail(reader: Database, tenant_id: UUID, task_id: UUID) -> TaskDetail:
    """Return everything about a task but its result; raises ``NotFound``."""
    async with reader.transaction(tenant_id) as connection:
        row = await store.status(connection, tenant_id, task_id)
        attempts = await store.attempts(connection, tenant_id, task_id)
    known = dict(_known(row))
    return TaskDetail.model_validate(known | {"attempts": [Attempt.model_validate(dict(a)) for a in attempts]})


async def result(reader: Database, waiters: Waiters, tenant_id: UUID, task_id: UUID, wait: float) -> TaskResult:
    """Return how a task ended, or after up to ``wait`` seconds where it stands; raises ``NotFound``.

    Between two looks no database connection is held.
    """
    found = await _result(reader, tenant_id, task_id)
    if wait <= 0 or found.status in FINAL:
        return found
    return await _wait(reader, waiters, tenant_id, task_id, asyncio.get_running_loop().time() + wait)


async def _wait(reader: Database, waiters: Waiters, tenant_id: UUID, task_id: UUID, until: float) -> TaskResult:
    clock = asyncio.get_running_loop().time
    async with waiters.watch(task_id) as wakeup:
        while True:
            # The look comes after the subscription, so an end in between is not missed.
            found = await _result(reader, tenant_id, task_id)
            left = until - clock()
            if found.status in FINAL or left <= 0:
                return found
            await wakeup.wait(min(left, _LOOK_AGAIN))


async def _result(reader: Database, tenant_id: UUID, task_id: UUID) -> TaskResult:
    async with reader.transaction(tenant_id) as connection:
        row = await store.result(connection, tenant_id, task_id)
    return TaskResult.model_validate(dict(_known(row)))


async def page(
    reader: Database, tenant_id: UUID, wanted: TaskFilter, *, before: UUID | None, limit: int
) -> tuple[list[TaskSummary], bool]:
    """Return a page of tasks older than ``before``, newest first, and whether there are more."""
    async with reader.transaction(tenant_id) as connection:
        rows = await store.page(connection, tenant_id, wanted, before=before, limit=limit + 1)
    return [TaskSummary.model_validate(dict(row)) for row in rows[:limit]], len(rows) > limit


def _known(row: Any) -> Any:
    if row is None:
        raise NotFound("There is no such task.")
    return row
