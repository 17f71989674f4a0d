"""The table of the calls about schedules. ``app.http.operation`` describes its entries and their handlers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import (
    BacklogFull,
    DailyQuotaExceeded,
    IllegalState,
    InvalidCursor,
    InvalidRequest,
    LimitReached,
    MalformedBody,
    MonthlyQuotaExceeded,
    NotFound,
    PayloadTooLarge,
    TooManyLists,
    UnsupportedMediaType,
)
from app.http.operation import Answer, Operation
from app.http.strict_json import ORDINARY
from app.identity.scopes import SCHEDULES_MANAGE, TASKS_READ
from app.quotas.admission import CALLS, SUBMITS
from app.schedules import calls
from app.schedules.schemas import Preview, Schedule, ScheduleDetail, SchedulePage
from app.tasks.schemas import SubmitResponse

_BODY: Final = (MalformedBody, PayloadTooLarge, UnsupportedMediaType, InvalidRequest)
_SCHEDULES: Final = "/api/schedules"
_SCHEDULE: Final = f"{_SCHEDULES}/{{schedule_id}}"

CALL_TABLE: Final[Sequence[Operation]] = (
    Operation(
        method="POST",
        path=_SCHEDULES,
        handler=calls.create_schedule,
        summary="Create a schedule",
        scope=SCHEDULES_MANAGE,
        rate=CALLS,
        bounds=ORDINARY,
        answers={201: Answer(Schedule, headers=["Location"])},
        problems=[*_BODY, IllegalState, LimitReached],
    ),
    Operation(
        method="GET",
        path=_SCHEDULES,
        handler=calls.list_schedules,
        summary="List schedules",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(SchedulePage, headers=["Link"])},
        problems=[InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULES}/preview",
        handler=calls.preview_schedule,
        summary="Preview the times of a schedule",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(Preview)},
        problems=_BODY,
    ),
    Operation(
        method="PUT",
        path=f"{_SCHEDULES}/by-name/{{name}}",
        handler=calls.put_schedule,
        summary="Create or replace a schedule by its name",
        scope=SCHEDULES_MANAGE,
        rate=CALLS,
        bounds=ORDINARY,
        answers={
            200: Answer(Schedule),
            201: Answer(Schedule, "The schedule is new.", ["Location"]),
        },
        problems=[*_BODY, LimitReached],
    ),
    Operation(
        method="GET",
        path=_SCHEDULE,
        handler=calls.get_schedule,
        summary="Get a schedule",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(ScheduleDetail)},
        problems=[NotFound],
    ),
    Operation(
        method="DELETE",
        path=_SCHEDULE,
        handler=calls.delete_schedule,
        summary="Delete a schedule",
        scope=SCHEDULES_MANAGE,
        rate=CALLS,
        answers={204: Answer(None)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/pause",
        handler=calls.pause_schedule,
        summary="Pause a schedule",
        scope=SCHEDULES_MANAGE,
        rate=CALLS,
        answers={200: Answer(Schedule)},
        problems=[*_BODY, NotFound],
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/resume",
        handler=calls.resume_schedule,
        summary="Resume a schedule",
        scope=SCHEDULES_MANAGE,
        rate=CALLS,
        answers={200: Answer(Schedule)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path=f"{_SCHEDULE}/trigger",
        handler=calls.trigger_schedule,
        summary="Trigger a schedule",
        scope=SCHEDULES_MANAGE,
        rate=SUBMITS,
        answers={202: Answer(SubmitResponse, headers=["Location"])},
        problems=[NotFound, BacklogFull, DailyQuotaExceeded, MonthlyQuotaExceeded],
    ),
)
