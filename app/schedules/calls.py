"""Handlers of the calls about schedules."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, TypeAlias
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.http.json_response import JsonResponse
from app.identity.dependencies import acting
from app.identity.paging import Cursor, Limit, Page
from app.identity.principal import Principal
from app.quotas.limits import Remaining
from app.schedules import changes, store, trigger
from app.schedules.parameters import ScheduleId, ScheduleName
from app.schedules.parts import ScheduleParts
from app.schedules.schemas import (
    PauseRequest,
    Preview,
    PreviewRequest,
    Schedule,
    ScheduleDetail,
    SchedulePage,
    ScheduleRequest,
    ScheduleValues,
)
from app.schedules.store import ScheduleColumns
from app.schedules.timing import Timing
from app.tasks import responses
from app.tasks.definition.own_types import OwnTypesNeeded
from app.tenants import plans
from app.tenants.plans import Limits

Rate: TypeAlias = Sequence[Remaining]

# Of a request without a body.
_NO_NOTE: Final = PauseRequest()
_PREVIEWED: Final = 10


async def create_schedule(
    request: Request, principal: Principal, parts: ScheduleParts, body: ScheduleRequest
) -> Response:
    """Create a schedule. At each of its times the service submits a task.

    A fire that makes no task is listed with the reason, and is an event `schedule.skipped`.
    """
    tenant_id, limits = principal.tenant_id, plans.limits_of(principal)
    wanted = await _columns(parts, tenant_id, limits, body.name, body)
    async with parts.accounts.transaction(tenant_id) as connection:
        made = await changes.create(
            connection, acting(request, principal), tenant_id, wanted,
            limit=limits.schedules, paused=bool(body.paused),
        )  # fmt: skip
    return _made(made)


async def put_schedule(
    request: Request, principal: Principal, parts: ScheduleParts, name: ScheduleName, body: ScheduleValues
) -> Response:
    """Create the schedule with this name, or replace its values. The same request again changes nothing.

    A schedule that is paused stays paused, unless `paused` says otherwise.
    """
    tenant_id, limits = principal.tenant_id, plans.limits_of(principal)
    wanted = await _columns(parts, tenant_id, limits, name, body)
    async with parts.accounts.transaction(tenant_id) as connection:
        put = await changes.put(
            connection, acting(request, principal), tenant_id, wanted, limit=limits.schedules, paused=body.paused
        )
    return _made(put.schedule) if put.is_new else JsonResponse(put.schedule.model_dump_json())


async def _columns(
    parts: ScheduleParts, tenant_id: UUID, limits: Limits, name: str, body: ScheduleValues
) -> ScheduleColumns:
    try:
        return changes.columns(tenant_id, limits, name, body, None)
    except OwnTypesNeeded as needed:
        own = await parts.own_types.of(tenant_id, needed.name)
    return changes.columns(tenant_id, limits, name, body, own)


def _made(schedule: Schedule) -> Response:
    return JsonResponse(schedule.model_dump_json(), 201, {"Location": f"/api/schedules/{schedule.schedule_id}"})


async def list_schedules(
    request: Request, principal: Principal, parts: ScheduleParts, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    """List the tenant's schedules, newest first. Payloads are left out."""
    tenant_id, page = principal.tenant_id, Page(limit, cursor, request, Response())
    before = page.before(tenant_id)
    async with page.place(tenant_id), parts.reader.transaction(tenant_id) as connection:
        found = await store.page(connection, tenant_id, before=before, limit=limit + 1)
    schedules = [Schedule(**changes.described(row)) for row in found]
    items, next_cursor = page.cut(tenant_id, schedules, "schedule_id")
    headers = {"Link": page.link} if page.link else {}
    return JsonResponse(SchedulePage(items=list(items), next_cursor=next_cursor).model_dump_json(), headers=headers)


async def get_schedule(principal: Principal, parts: ScheduleParts, schedule_id: ScheduleId) -> ScheduleDetail:
    """Return a schedule with its payload, its next fires, and what became of the latest ones."""
    return await changes.detail(parts.reader, principal.tenant_id, schedule_id)


async def delete_schedule(
    request: Request, principal: Principal, parts: ScheduleParts, schedule_id: ScheduleId
) -> Response:
    """Delete a schedule with the list of its fires. Tasks that it has made go on."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        await changes.delete(connection, acting(request, principal), principal.tenant_id, schedule_id)
    return Response(status_code=204)


async def pause_schedule(
    request: Request,
    principal: Principal,
    parts: ScheduleParts,
    schedule_id: ScheduleId,
    body: PauseRequest = _NO_NOTE,
) -> Schedule:
    """Pause a schedule. It does not fire until it is resumed; a trigger still works."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        return await changes.pause(connection, acting(request, principal), principal.tenant_id, schedule_id, body.note)


async def resume_schedule(
    request: Request, principal: Principal, parts: ScheduleParts, schedule_id: ScheduleId
) -> Schedule:
    """Let a paused schedule fire again, from now on. Fires of the pause are not made up."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        return await changes.resume(connection, acting(request, principal), principal.tenant_id, schedule_id)


async def trigger_schedule(
    request: Request, principal: Principal, rate: Rate, parts: ScheduleParts, schedule_id: ScheduleId
) -> Response:
    """Submit a task of a schedule now, whatever its times and `overlap` say. It works while the schedule is paused."""
    limits = plans.limits_of(principal)
    decided = await trigger.trigger(
        parts.accounts, parts.acceptor, acting(request, principal), principal.tenant_id, limits, schedule_id
    )
    accepted = responses.require_accepted(decided, limits, rate)
    # The request log names the task, as for a submit.
    request.scope["state"]["task_id"] = str(accepted.task_ids[0])
    return responses.accepted(accepted, limits, rate)


async def preview_schedule(principal: Principal, body: PreviewRequest) -> Preview:
    """Return the next times of a schedule, without storing anything."""
    assert principal  # noqa: S101 any caller with the scope may ask
    now = datetime.now(UTC)
    times = Timing(
        cron=body.cron,
        every_seconds=body.every_seconds,
        timezone=body.timezone or "UTC",
        anchor=body.starts_at or now,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
    )
    return Preview(next_fires=list(islice(times.from_now_on(now), _PREVIEWED)), description=times.describe())
