"""Following a task: its status, its attempts, its result and the wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

from app.broker.wakeups import Waiters, Wakeup
from app.core.errors import NotFound
from app.core.lane import Lane
from app.db import Database
from app.tasks import store
from app.tasks.schemas import Attempt, TaskDetail, TaskFilter, TaskStatus, TaskSummary
from app.tasks.status import FINAL, Status

T = TypeVar("T")

# A wake-up may be lost with Redis: look again after so long, seconds.
_LOOK_AGAIN: Final = 2.0
# Results are held in memory together.
_RESULTS_AT_ONCE: Final = 32
_STATUSES_AT_ONCE: Final = 128


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, or its status where it has not. ``result`` and ``error`` are JSON, as they are stored."""

    task_id: UUID
    status: Status
    result: str | None
    error: str | None


class Reading:
    """What one api process reads of tasks. Callers who come together share a statement."""

    def __init__(self, reader: Database, waiters: Waiters) -> None:
        """``reader`` logs in as tq_api."""
        self._reader = reader
        self._waiters = waiters
        self._results = Lane(self._find_results, largest=_RESULTS_AT_ONCE)
        self._statuses = Lane(self._find_statuses, largest=_STATUSES_AT_ONCE)

    async def close(self) -> None:
        """Let what was asked be answered."""
        await self._results.close()
        await self._statuses.close()

    async def status(self, tenant_id: UUID, task_id: UUID) -> TaskStatus:
        """Return where a task stands; raises ``NotFound``."""
        return TaskStatus.model_validate(_known(await self._statuses.ask((tenant_id, task_id))))

    async def detail(self, tenant_id: UUID, task_id: UUID) -> TaskDetail:
        """Return everything about a task but its result; raises ``NotFound``."""
        # Of one moment: a task that starts or ends meanwhile would not agree with its attempts.
        async with self._reader.transaction(tenant_id, is_snapshot=True) as connection:
            status = _known(
                _statuses(await store.statuses_any_tenant(connection, [(tenant_id, task_id)]), [task_id])[0]
            )
            request = _known(await store.request(connection, tenant_id, task_id))
            attempts = await store.attempts(connection, tenant_id, task_id)
        parts = {"attempts": [Attempt.model_validate(dict(attempt)) for attempt in attempts]}
        return TaskDetail.model_validate({**request, **status, **parts})

    async def result(self, tenant_id: UUID, task_id: UUID, wait: float, still: Callable[[], Awaitable[Any]]) -> Outcome:
        """Return how a task ended, or after up to ``wait`` seconds where it stands; raises ``NotFound``.

        Between two looks no database connection is held. Before each later one ``still`` raises if the caller may look
        no more.
        """
        if wait <= 0:
            return await self._result(tenant_id, task_id)
        until = asyncio.get_running_loop().time() + wait
        with self._waiters.watch(task_id) as wakeup:
            return await self._wait(tenant_id, task_id, wakeup, until, still)

    async def page(self, tenant_id: UUID, wanted: TaskFilter, *, before: UUID, limit: int) -> list[TaskSummary]:
        """Return up to ``limit`` tasks older than ``before``, newest first."""
        async with self._reader.transaction(tenant_id) as connection:
            rows = await store.page(connection, tenant_id, wanted, before=before, limit=limit)
        return [TaskSummary.model_validate(dict(row)) for row in rows]

    async def _wait(
        self, tenant_id: UUID, task_id: UUID, wakeup: Wakeup, until: float, still: Callable[[], Awaitable[Any]]
    ) -> Outcome:
        clock = asyncio.get_running_loop().time
        while True:
            # It is watched already, so an end after this look is not missed.
            found = await self._result(tenant_id, task_id)
            left = until - clock()
            if found.status in FINAL or left <= 0:
                return found
            await wakeup.wait(min(left, _LOOK_AGAIN))
            await still()

    async def _result(self, tenant_id: UUID, task_id: UUID) -> Outcome:
        return _known(await self._results.ask((tenant_id, task_id)))

    async def _find_results(self, wanted: Sequence[tuple[UUID, UUID]]) -> list[Outcome | None]:
        async with self._reader.statement() as connection:
            rows = await store.results_any_tenant(connection, wanted)
        found = {row["number"]: row for row in rows}
        return [
            Outcome(task_id, Status(row["status"]), row["result"], row["error"]) if (row := found.get(number)) else None
            for number, (_, task_id) in enumerate(wanted, start=1)
        ]

    async def _find_statuses(self, wanted: Sequence[tuple[UUID, UUID]]) -> list[dict[str, Any] | None]:
        async with self._reader.statement() as connection:
            rows = await store.statuses_any_tenant(connection, wanted)
        return _statuses(rows, [task_id for _, task_id in wanted])


def _statuses(rows: Sequence[Any], task_ids: Sequence[UUID]) -> list[dict[str, Any] | None]:
    found = {row["number"]: row for row in rows}
    return [
        {**row, "task_id": task_id} if (row := found.get(number)) else None
        for number, task_id in enumerate(task_ids, start=1)
    ]


def _known(found: T | None) -> T:
    if found is None:
        raise NotFound("There is no such task.")
    return found
