"""Following a task: its status, its attempts, its result and the wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

from app.broker.wakeups import Waiters, Wakeup
from app.core import ids
from app.core.batcher import Batcher
from app.core.errors import NotFound, Unavailable
from app.db import Database
from app.tasks import list_store, store
from app.tasks.schemas import Attempt, TaskAndAttempts, TaskStatus, TaskSummary
from app.tasks.status import FINAL, Status
from app.tasks.task_filter import TaskFilter

T = TypeVar("T")

# A wake-up may be lost with Redis: look again after so long, seconds.
_LOOK_INTERVAL: Final = 2.0
# Most waits are over by then. Only of those that last it is worth its price to hear when the client goes.
_FIRST_LOOK: Final = 0.25
# Results are held in memory together.
_MAX_RESULTS: Final = 32
_MAX_STATUSES: Final = 128
_PROBE_TIMEOUT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended, or its status where it has not. ``result`` and ``error`` are JSON, as they are stored."""

    task_id: UUID
    status: Status
    result: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Detail:
    """A task with its attempts. ``payload`` is JSON, as it is stored."""

    task: TaskAndAttempts
    payload: str


class Caller(NamedTuple):
    """Who waits for a result."""

    still_may: Callable[[], Awaitable[Any]]
    """Raises if the caller may look no more; asked before each later look."""
    gone: Callable[[], Awaitable[None]]
    """Returns when the caller's connection has ended."""


class Reading:
    """What one api process reads of tasks. Callers who come together share a statement."""

    def __init__(self, reader: Database, waiters: Waiters) -> None:
        """``reader`` logs in as tq_api."""
        self._reader = reader
        self._waiters = waiters
        self._results = Batcher(self._find_results, max_items=_MAX_RESULTS)
        self._statuses = Batcher(self._find_statuses, max_items=_MAX_STATUSES)

    async def close(self) -> None:
        """Let what was asked be answered."""
        await self._results.close()
        await self._statuses.close()

    async def require_postgres(self) -> None:
        """Raise ``Unavailable`` where Postgres does not answer within half a second."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                await self._statuses.ask((ids.FIRST, ids.FIRST))
        except TimeoutError:
            raise Unavailable from None

    async def status(self, tenant_id: UUID, task_id: UUID) -> TaskStatus:
        """Return where a task stands; raises ``NotFound``."""
        return TaskStatus.model_validate(_known(await self._statuses.ask((tenant_id, task_id))))

    async def detail(self, tenant_id: UUID, task_id: UUID) -> Detail:
        """Return everything about a task but its result; raises ``NotFound``."""
        # Of one moment: a task that starts or ends meanwhile would not agree with its attempts.
        async with self._reader.transaction(tenant_id, is_snapshot=True) as connection:
            status = _known(
                _statuses(await store.statuses_any_tenant(connection, [(tenant_id, task_id)]), [task_id])[0]
            )
            request = _known(await store.request(connection, tenant_id, task_id))
            attempts = await store.attempts(connection, tenant_id, task_id)
        parts = {"attempts": [Attempt.model_validate(dict(attempt)) for attempt in attempts]}
        return Detail(TaskAndAttempts.model_validate({**request, **status, **parts}), request["payload"])

    async def result(self, tenant_id: UUID, task_id: UUID, wait: float, caller: Caller) -> Outcome | None:
        """Return how a task ended, or after up to ``wait`` seconds where it stands; raises ``NotFound``.

        Between two looks no database connection is held. None means that the caller has gone: nobody waits any more.
        """
        if wait <= 0:
            return await self._result(tenant_id, task_id)
        until = asyncio.get_running_loop().time() + wait
        with self._waiters.watch(task_id) as wakeup:
            # It is watched already, so an end after this look is not missed.
            found = await self._result(tenant_id, task_id)
            return found if found.status in FINAL else await self._wait(tenant_id, task_id, wakeup, until, caller)

    async def page(
        self, tenant_id: UUID, wanted: TaskFilter, *, before: UUID, limit: int
    ) -> tuple[list[TaskSummary], UUID | None]:
        """Return up to ``limit`` tasks older than ``before``, newest first.

        Where these are fewer, but older tasks were not read: with the id of the oldest one which was.
        """
        async with self._reader.transaction(tenant_id) as connection:
            rows, read_to = await list_store.page(connection, tenant_id, wanted, before=before, limit=limit)
        return [TaskSummary.model_validate(dict(row)) for row in rows], read_to

    async def _wait(
        self, tenant_id: UUID, task_id: UUID, wakeup: Wakeup, until: float, caller: Caller
    ) -> Outcome | None:
        clock, step = asyncio.get_running_loop().time, _FIRST_LOOK
        gone: asyncio.Future[None] | None = None
        try:
            while True:
                await wakeup.wait(min(max(until - clock(), 0), step))
                if gone is not None and gone.done():
                    return None
                await caller.still_may()
                found = await self._result(tenant_id, task_id)
                if found.status in FINAL or clock() >= until:
                    return found
                if gone is None:
                    gone, step = asyncio.ensure_future(caller.gone()), _LOOK_INTERVAL
                    gone.add_done_callback(lambda _: wakeup.wake())
        finally:
            if gone is not None:
                gone.cancel()

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
