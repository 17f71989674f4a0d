"""Read a task: its status, its attempts and its result, and wait for its end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar
from uuid import UUID

from app.broker.wakeups import Waiters, Wakeup
from app.core import ids
from app.core.batcher import Batcher
from app.core.errors import NotFound, TaskErased, Unavailable
from app.db import Database
from app.tasks import held_store
from app.tasks.list_schemas import TaskSummary
from app.tasks.read import error_store, list_store, queue_position, store, texts
from app.tasks.read.ended_tasks import EndedTasks
from app.tasks.read.task_filter import TaskFilter
from app.tasks.read.texts import Text
from app.tasks.schemas import Attempt, TaskAndAttempts
from app.webhooks.history import store as delivery_store
from app.webhooks.history.schemas import DeliveryOfTask

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")

# Seconds between two reads of Postgres while a request waits. They are needed because Redis may lose a wake-up.
_LOOK_INTERVAL: Final = 2.0
# Seconds. Most waits end earlier. To listen for the client's disconnect costs CPU time, so it begins only then.
_FIRST_LOOK: Final = 0.25
# Bounded, because all results of one statement are in memory at the same time and may be large.
_MAX_RESULTS: Final = 32
_MAX_STATUSES: Final = 128
_PROBE_TIMEOUT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Detail:
    """A task with its attempts. ``payload`` and ``result`` are the stored JSON texts."""

    task: TaskAndAttempts
    payload: str
    result: str | None
    """None if it was not asked for; "null" if the task has none."""


class Caller(NamedTuple):
    """The client that waits for a result."""

    still_may: Callable[[], Awaitable[Any]]
    """Raises if the caller has lost its permission. It is called before each later read."""
    gone: Callable[[], Awaitable[None]]
    """Returns when the caller's connection has ended."""


class Reading:
    """Reads tasks for one api process. Requests that arrive at the same time share one statement."""

    def __init__(self, reader: Database, waiters: Waiters, ended: EndedTasks) -> None:
        """``reader`` logs in as tq_api; ``waiters`` receives the wake-ups for tasks that end."""
        self._reader = reader
        self._waiters = waiters
        self.ended = ended
        """Recent reads of ended tasks. Look there first."""
        self._results = Batcher(self._find_results, max_items=_MAX_RESULTS)
        self._statuses = Batcher(self._find_statuses, max_items=_MAX_STATUSES)

    async def close(self) -> None:
        """Wait until all reads that have begun are done."""
        await self._results.close()
        await self._statuses.close()

    async def require_postgres(self) -> None:
        """Raise ``Unavailable`` if Postgres does not answer within half a second."""
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT):
                # A real read, of a task that does not exist: it needs a connection and a statement like all others.
                await self._statuses.ask((ids.FIRST, ids.FIRST))
        except TimeoutError:
            raise Unavailable from None

    async def status(self, tenant_id: UUID, task_id: UUID) -> Text:
        """Return the status of a task. Raises ``NotFound``."""
        found = texts.status(task_id, _known(await self._statuses.ask((tenant_id, task_id))))
        if found.has_ended:
            self.ended.keep("status", tenant_id, task_id, found.body)
        return found

    async def detail(self, tenant_id: UUID, task_id: UUID, *, with_result: bool = False) -> Detail:
        """Return everything about a task, its result only ``with_result``. Raises ``NotFound``."""
        # One snapshot for all reads: otherwise a task that starts or ends meanwhile would not match its attempts.
        async with self._reader.transaction(tenant_id, is_snapshot=True) as connection:
            [found] = _by_number(await store.statuses_any_tenant(connection, [(tenant_id, task_id)]), 1)
            status = {**_known(found), "task_id": task_id}
            request = _known(await store.request(connection, tenant_id, task_id))
            attempts = await store.attempts(connection, tenant_id, task_id)
            errors = await error_store.of_tasks(connection, tenant_id, [status])
            # Most tasks have none, and are not asked about a second time.
            sent = await delivery_store.of_task(connection, tenant_id, task_id) if request["has_deliveries"] else []
            place = await queue_position.find(connection, tenant_id, task_id, status["waiting_reason"])
            is_held = status["waiting_reason"] == "DEPENDENCIES"
            blocked_by = await held_store.blocked_by(connection, tenant_id, task_id) if is_held else []
            result = await store.result(connection, tenant_id, task_id) or "null" if with_result else None
        parts = {
            "attempts": [Attempt.model_validate(dict(attempt)) for attempt in attempts],
            "webhooks": [DeliveryOfTask.model_validate(dict(delivery)) for delivery in sent],
            "error_id": errors.get(task_id),
            "blocked_by": blocked_by,
            **place._asdict(),
        }
        return Detail(TaskAndAttempts.model_validate({**request, **status, **parts}), request["payload"], result)

    async def result(self, tenant_id: UUID, task_id: UUID, wait: float, caller: Caller) -> Text | None:
        """Return a task's outcome. Wait up to ``wait`` seconds for its end. Raises ``NotFound`` and ``TaskErased``.

        No database connection is in use between two reads. Returns None if the client has disconnected.
        """
        if wait <= 0:
            return await self._result(tenant_id, task_id)
        until = asyncio.get_running_loop().time() + wait
        with self._waiters.watch(task_id) as wakeup:
            # The watch began before this read, so an end after the read is not missed.
            found = await self._result(tenant_id, task_id)
            return found if found.has_ended else await self._wait(tenant_id, task_id, wakeup, until, caller)

    async def page(
        self, tenant_id: UUID, wanted: TaskFilter, *, position: UUID, limit: int, oldest_first: bool = False
    ) -> tuple[list[TaskSummary], UUID | None]:
        """Return up to ``limit`` tasks after a position: older ones, newest first; with ``oldest_first`` the reverse.

        If these are fewer although tasks beyond them may match, also returns the id of the last task that was read.
        """
        order = list_store.OLDEST_FIRST if oldest_first else list_store.NEWEST_FIRST
        async with self._reader.transaction(tenant_id) as connection:
            rows, read_to = await list_store.page(
                connection, tenant_id, wanted, position=position, limit=limit, order=order
            )
            errors = await error_store.of_tasks(connection, tenant_id, rows)
        return [TaskSummary.model_validate({**row, "error_id": errors.get(row["task_id"])}) for row in rows], read_to

    async def _wait(self, tenant_id: UUID, task_id: UUID, wakeup: Wakeup, until: float, caller: Caller) -> Text | None:
        clock, step = asyncio.get_running_loop().time, _FIRST_LOOK
        gone: asyncio.Future[None] | None = None
        try:
            while True:
                # A wake-up is only a hint: the read below decides.
                await wakeup.wait(min(max(until - clock(), 0), step))
                if gone is not None and gone.done():
                    return None
                await caller.still_may()
                found = await self._result(tenant_id, task_id)
                if found.has_ended or clock() >= until:
                    return found
                if gone is None:
                    gone, step = asyncio.ensure_future(caller.gone()), _LOOK_INTERVAL
                    gone.add_done_callback(lambda _: wakeup.wake())
        finally:
            if gone is not None:
                gone.cancel()

    async def _result(self, tenant_id: UUID, task_id: UUID) -> Text:
        row = _known(await self._results.ask((tenant_id, task_id)))
        if row["is_erased"]:
            raise TaskErased("You have erased this task, and its result with it.")
        found = texts.result(task_id, row)
        if found.has_ended:
            self.ended.keep("result", tenant_id, task_id, found.body)
        return found

    async def _find_results(self, wanted: Sequence[tuple[UUID, UUID]]) -> "list[asyncpg.Record | None]":
        async with self._reader.statement() as connection:
            return _by_number(await store.results_any_tenant(connection, wanted), len(wanted))

    async def _find_statuses(self, wanted: Sequence[tuple[UUID, UUID]]) -> "list[asyncpg.Record | None]":
        async with self._reader.statement() as connection:
            return _by_number(await store.statuses_any_tenant(connection, wanted), len(wanted))


def _by_number(rows: "Sequence[asyncpg.Record]", count: int) -> "list[asyncpg.Record | None]":
    found = {row["number"]: row for row in rows}
    return [found.get(number) for number in range(1, count + 1)]


def _known(found: T | None) -> T:
    if found is None:
        raise NotFound("There is no such task. GET /api/tasks lists your tasks.")
    return found
