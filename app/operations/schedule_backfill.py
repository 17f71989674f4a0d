"""Make up past times of a schedule: a task for each that has none, within the quotas."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from app.db import Connection, Database
from app.operations import choosing, store
from app.operations.paged_act import PagedAct
from app.operations.progress import Standing, StepResult, Waits
from app.operations.room import room_of, waits_for
from app.quotas import usage
from app.schedules import backfill
from app.schedules import store as schedule_store
from app.schedules.store import MadeUp
from app.schedules.timing import Timing, timing_of
from app.tasks.selection import SelectedPage
from app.tasks.submit import copies
from app.tasks.submit.accept import Acceptor
from app.tasks.submit.decision import Refused
from app.tasks.submit.new_tasks import TaskSpecs

_AT_ONCE: Final = 100
# Characters of payloads in one step.
_MAX_CHARACTERS: Final = 1_000_000
_BEGIN: Final = datetime(1, 1, 1, tzinfo=UTC)
_MOMENT: Final = timedelta(microseconds=1)


class ScheduleBackfill(PagedAct):
    """Makes a task of each past time that has none. Cursor and ids are the times, in microseconds."""

    at_once = _AT_ONCE

    def __init__(self, worker: Database, acceptor: Acceptor, fence: UUID) -> None:
        """``worker`` logs in as tq_worker, ``acceptor`` stores the new tasks; ``fence`` is the dispatcher's token."""
        super().__init__(worker, fence)
        self._acceptor = acceptor

    async def select(self, connection: Connection, standing: Standing, limit: int) -> SelectedPage:
        """Return times without a task; none if the schedule was deleted."""
        schedule_id = choosing.schedule_of(standing)
        row = await schedule_store.find(connection, standing.tenant_id, schedule_id)
        if row is None:
            return SelectedPage([], None)
        first, last = choosing.times_of(standing)
        if standing.cursor.int:
            first = _time(standing.cursor) + _MOMENT
        times = await backfill.missing(connection, standing.tenant_id, row, first, last, limit=limit)
        read_to = _name(times.read[-1]) if len(times.read) == limit else None
        return SelectedPage([_name(moment) for moment in times.fires], read_to)

    async def act(self, standing: Standing, *, one_only: bool) -> Waits | None:
        """Make tasks of the next times."""
        page = await self._next(standing, one_only=one_only)
        schedule_id = choosing.schedule_of(standing)
        async with self._worker.transaction(standing.tenant_id) as connection:
            row = await schedule_store.find(connection, standing.tenant_id, schedule_id)
            task = await schedule_store.task_of(connection, standing.tenant_id, schedule_id)
            # Asked before, because a submit with ``also`` is refused as a whole if there is room for a part only.
            room = room_of(standing.limits, await usage.standing(connection, standing.tenant_id))
        if row is None or task is None or not page.matching:
            await self._advance(standing, StepResult(page.read_to, skipped=len(page.matching)))
            return None
        if room.tasks <= 0:
            return waits_for(room.limit)
        size = max(1, min(room.tasks, _MAX_CHARACTERS // max(1, len(task["payload"]))))
        return await self._accept(standing, task, timing_of(row, schedule_id, row["created_at"]), page.first(size))

    async def _accept(
        self, standing: Standing, task: asyncpg.Record, times: Timing, page: SelectedPage
    ) -> Waits | None:
        tenant_id, schedule_id = standing.tenant_id, choosing.schedule_of(standing)
        tasks = [copies.new_task(tenant_id, task, expires_seconds=task["expires_seconds"]) for _ in page.matching]
        made = [
            MadeUp(fire_at=moment, task_id=made_up.id, following=times.next_after(moment))
            for moment, made_up in zip(map(_time, page.matching), tasks, strict=True)
        ]
        step = store.advance_statement_any_tenant(standing, StepResult(page.read_to, done=len(tasks)), self._fence)
        also = [schedule_store.backfill_statement_any_tenant(tenant_id, schedule_id, made), step]
        decided = await self._acceptor.accept(TaskSpecs(tenant_id, standing.limits, tasks), also=also)
        # Other submits were faster and have taken the room.
        return waits_for(decided.policy) if isinstance(decided, Refused) else None

    def failure(self, one: UUID, reason: str) -> dict[str, str | None]:
        """Return the entry of a time for the errors of the operation: it has no task that could be named."""
        return {"task_id": None, "detail": f"{_time(one):%Y-%m-%dT%H:%M:%SZ}: {reason}"}


def _name(moment: datetime) -> UUID:
    return UUID(int=(moment - _BEGIN) // _MOMENT)


def _time(name: UUID) -> datetime:
    return _BEGIN + name.int * _MOMENT
