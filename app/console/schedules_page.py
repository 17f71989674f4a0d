"""Schedules: the list, one with its fires, and what can be done with them."""

import json
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from starlette.responses import Response

from app.console.endpoint_form import since
from app.console.form_models import checked
from app.console.forms import Form
from app.console.task_filters import WITHIN
from app.console.visit import Visit
from app.core.errors import IllegalState, InvalidRequest, LimitReached, Problem
from app.identity.scopes import SCHEDULES_MANAGE
from app.operations import schedule_calls
from app.operations.schedule_schemas import Backfill, BackfillRequest
from app.schedules import calls, changes, trigger
from app.schedules.schemas import PauseRequest, Schedule, SchedulePage, ScheduleRequest
from app.tasks import responses
from app.tasks.definition import types

_PAGE_SIZE: Final = 50
# Each byte may take three in a form.
_FORM_BYTES: Final = 3 * 262_144
_FIELDS: Final = ("name", "cron", "every_seconds", "timezone", "task", "payload", "overlap", "catch_up")
_NEW: Final = {"cron": "0 3 * * *", "timezone": "UTC", "task": "echo", "payload": "{}", "overlap": "allow"}
OVERLAPS: Final = {
    "allow": "start another one",
    "skip": "skip the fire",
    "queue_one": "let one fire wait",
    "cancel_running": "cancel that task",
}
"""The values of ``overlap``, for people."""
CATCH_UPS: Final = {"none": "none", "latest": "the latest one", "all": "all of them"}
"""The values of ``catch_up``, for people."""


async def show_list(visit: Visit) -> Response:
    """Show the schedules, newest first."""
    cursor = visit.request.query_params.get("cursor")
    answer = await calls.list_schedules(visit.request, visit.principal, visit.parts, limit=_PAGE_SIZE, cursor=cursor)
    found = SchedulePage.model_validate_json(bytes(answer.body))
    return visit.page(
        "schedules.html",
        schedules=found.items,
        next_cursor=found.next_cursor,
        is_first=cursor is None,
        may_act=visit.may(SCHEDULES_MANAGE),
    )


async def show(visit: Visit) -> Response:
    """Show a schedule with its next and latest fires."""
    found = await changes.detail(visit.parts.reader, visit.tenant_id, _id(visit))
    return visit.page(
        "schedule.html",
        schedule=found,
        payload=json.dumps(found.payload, indent=2, ensure_ascii=False),
        overlaps=OVERLAPS,
        catch_ups=CATCH_UPS,
        within=WITHIN,
        may_act=visit.may(SCHEDULES_MANAGE),
    )


def _id(visit: Visit) -> UUID:
    return visit.id_of("schedule_id", "schedule")


async def new(visit: Visit) -> Response:
    """Show the form of a new schedule."""
    return _form(visit, dict.fromkeys(_FIELDS, "") | _NEW)


def _form(visit: Visit, values: dict[str, str], error: Problem | None = None) -> Response:
    return visit.page(
        "schedule_form.html",
        200 if error is None else error.status,
        values=values,
        tasks=sorted(types.all_types()),
        overlaps=OVERLAPS,
        catch_ups=CATCH_UPS,
        error=error and error.detail,
        faults=[] if error is None else error.extensions.get("errors", []),
    )


async def create(visit: Visit) -> Response:
    """Create a schedule, and show it; or the form again, with what is wrong."""
    form = await visit.form(limit=_FORM_BYTES)
    try:
        wanted = checked(ScheduleRequest, _body(form))
        answer = await calls.create_schedule(visit.request, visit.principal, visit.parts, wanted)
    except (InvalidRequest, LimitReached, IllegalState) as error:
        return _form(visit, {name: form.raw(name) for name in _FIELDS}, error)
    made = Schedule.model_validate_json(bytes(answer.body))
    return visit.go(f"/schedules/{made.schedule_id}")


def _body(form: Form) -> dict[str, Any]:
    body: dict[str, Any] = {name: form.get(name) for name in _FIELDS if form.get(name)}
    if "every_seconds" in body:
        seconds = body["every_seconds"]
        # A number, or a text of which the model says that it is none.
        body["every_seconds"] = int(seconds) if seconds.isdecimal() else seconds
    try:
        body["payload"] = json.loads(body.get("payload", "{}"))
    except ValueError:
        raise InvalidRequest(
            "Correct each place that is named below.", errors=[{"pointer": "#/payload", "detail": "is not JSON"}]
        ) from None
    return body


async def pause(visit: Visit) -> Response:
    """Pause the schedule, with a note."""
    form = await visit.form()
    wanted = checked(PauseRequest, {"note": form.get("note") or None})
    await calls.pause_schedule(visit.request, visit.principal, visit.parts, _id(visit), wanted)
    return visit.go(f"/schedules/{_id(visit)}")


async def resume(visit: Visit) -> Response:
    """Let the schedule fire again."""
    await visit.form()
    await calls.resume_schedule(visit.request, visit.principal, visit.parts, _id(visit))
    return visit.go(f"/schedules/{_id(visit)}")


async def run_now(visit: Visit) -> Response:
    """Submit a task of the schedule now, and show the task."""
    await visit.form()
    decided = await trigger.trigger(
        visit.parts.accounts, visit.parts.acceptor, visit.actor, visit.tenant_id, visit.limits, _id(visit)
    )
    accepted = responses.require_accepted(decided, visit.limits, [])
    return visit.go(f"/tasks/{accepted.task_ids[0]}")


async def backfill(visit: Visit) -> Response:
    """Make up the past times of the schedule since a time, and show the progress; or the schedule if there are none."""
    form, now = await visit.form(), datetime.now(UTC)
    wanted = checked(BackfillRequest, {"from": since(form.get("since"), now), "to": now.isoformat()})
    answer = await schedule_calls.backfill_schedule(visit.request, visit.principal, visit.parts, _id(visit), wanted)
    begun = Backfill.model_validate_json(bytes(answer.body))
    return visit.go(f"/operations/{begun.operation_id}" if begun.operation_id else f"/schedules/{_id(visit)}")


async def delete(visit: Visit) -> Response:
    """Delete the schedule."""
    await visit.form()
    await calls.delete_schedule(visit.request, visit.principal, visit.parts, _id(visit))
    return visit.go("/schedules")
