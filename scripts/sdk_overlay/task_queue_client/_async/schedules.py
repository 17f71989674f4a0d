"""Schedules: ``client.schedules``."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, Unpack
from uuid import UUID

from task_queue_client.calls import Call, identifier
from task_queue_client.models import (
    Backfill,
    Preview,
    PreviewRequest,
    Schedule,
    ScheduleDetail,
    SchedulePage,
    ScheduleRequest,
    ScheduleValues,
    SubmitResponse,
)

from .account import Room
from .handles import AsyncTaskHandle
from .paging import pages
from .tasks import AsyncTasks
from .transport import AsyncTransport


class AsyncSchedules(Room):
    """Tasks that the service submits by itself: ``client.schedules``."""

    def __init__(self, transport: AsyncTransport, tasks: AsyncTasks) -> None:
        """Made by the client."""
        super().__init__(transport)
        self._tasks = tasks

    def list(self, *, page_size: int = 100) -> AsyncIterator[Schedule]:
        """Iterate over the schedules, newest first. Payloads are left out."""
        call = Call[SchedulePage]("list_schedules", SchedulePage, query={"limit": page_size})
        return pages(self._transport, call, "cursor")

    async def create(self, **request: Unpack[ScheduleRequest]) -> Schedule:
        """Create a schedule. Send ``cron`` or ``every_seconds``, and the task."""
        return await self._transport.call(Call("create_schedule", Schedule, body=dict(request)))

    async def put(self, name: str, **values: Unpack[ScheduleValues]) -> Schedule:
        """Create the schedule with this name, or replace its values: the same call again changes nothing."""
        call = Call[Schedule]("put_schedule", Schedule, path={"name": name}, body=dict(values))
        return await self._transport.call(call)

    async def get(self, schedule_id: UUID | str) -> ScheduleDetail:
        """Return a schedule with its payload, its next fires, and what became of the latest ones."""
        return await self._transport.call(Call("get_schedule", ScheduleDetail, path=_path(schedule_id)))

    async def delete(self, schedule_id: UUID | str) -> None:
        """Delete a schedule. Tasks that it has made go on."""
        await self._transport.call(Call[None]("delete_schedule", None, path=_path(schedule_id)))

    async def pause(self, schedule_id: UUID | str, *, note: str | None = None) -> Schedule:
        """Pause a schedule; ``note`` says why."""
        body = {} if note is None else {"note": note}
        return await self._transport.call(Call("pause_schedule", Schedule, path=_path(schedule_id), body=body))

    async def resume(self, schedule_id: UUID | str) -> Schedule:
        """Let a paused schedule fire again, from now on."""
        return await self._transport.call(Call("resume_schedule", Schedule, path=_path(schedule_id)))

    async def trigger(self, schedule_id: UUID | str) -> AsyncTaskHandle[Any]:
        """Submit a task of a schedule now, also while it is paused; return a handle on the task."""
        call = Call[SubmitResponse]("trigger_schedule", SubmitResponse, path=_path(schedule_id))
        return AsyncTaskHandle(self._tasks, (await self._transport.call(call)).task_id)

    async def backfill(
        self, schedule_id: UUID | str, since: datetime | str, until: datetime | str, *, dry_run: bool = False
    ) -> Backfill:
        """Submit a task for each past time of a schedule that made none, in the background; or only show these times.

        ``operation_id`` of the answer names the operation (``client.operations``).
        """
        body = {"from": since, "to": until, "dry_run": dry_run}
        return await self._transport.call(Call("backfill_schedule", Backfill, path=_path(schedule_id), body=body))

    async def preview(self, **times: Unpack[PreviewRequest]) -> Preview:
        """Return the next times of a schedule, without storing anything."""
        return await self._transport.call(Call("preview_schedule", Preview, body=dict(times)))


def _path(schedule_id: UUID | str) -> dict[str, str]:
    return {"schedule_id": identifier(schedule_id)}
