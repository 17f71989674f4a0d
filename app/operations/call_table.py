"""The table of the calls about operations. ``app.http.operation`` describes its entries and their handlers.

An entry is an ``Operation`` of the API document: one call. What the calls are about are operations in the other sense
of the word, acts on many tasks in the background (``app.operations``).
"""

from collections.abc import Sequence
from typing import Final

from app.core.errors import (
    IdempotencyMismatch,
    IllegalState,
    InvalidCursor,
    InvalidRequest,
    LimitReached,
    MalformedBody,
    NoEventLog,
    NotFound,
    PayloadTooLarge,
    TooManyLists,
    UnsupportedMediaType,
)
from app.http.operation import Answer, Operation
from app.identity.scopes import SCHEDULES_MANAGE, TASKS_READ, TASKS_WRITE, WEBHOOKS_MANAGE
from app.operations import calls, schedule_calls, webhook_calls
from app.operations.schedule_schemas import Backfill
from app.operations.schemas import FILTER_BOUNDS, OperationAccepted, OperationPage, OperationStatus
from app.quotas.admission import CALLS

STARTED: Final = {
    202: Answer(OperationAccepted, headers=["Location"]),
    200: Answer(
        OperationAccepted,
        "An earlier request with this Idempotency-Key started this operation.",
        ["Location", "Idempotency-Replayed"],
    ),
}
"""The answers of a call that starts an operation."""
_START: Final = (
    MalformedBody,
    PayloadTooLarge,
    UnsupportedMediaType,
    InvalidRequest,
    IdempotencyMismatch,
    LimitReached,
)

CALL_TABLE: Final[Sequence[Operation]] = (
    Operation(
        method="POST",
        path="/api/tasks/cancel",
        handler=calls.cancel_tasks,
        summary="Cancel many tasks",
        scope=TASKS_WRITE,
        rate=CALLS,
        bounds=FILTER_BOUNDS,
        answers=STARTED,
        problems=_START,
    ),
    Operation(
        method="POST",
        path="/api/tasks/retry",
        handler=calls.retry_tasks,
        summary="Run many ended tasks again",
        scope=TASKS_WRITE,
        rate=CALLS,
        bounds=FILTER_BOUNDS,
        answers=STARTED,
        problems=_START,
    ),
    Operation(
        method="POST",
        path="/api/schedules/{schedule_id}/backfill",
        handler=schedule_calls.backfill_schedule,
        summary="Make up past times of a schedule",
        scope=SCHEDULES_MANAGE,
        rate=CALLS,
        answers={
            202: Answer(Backfill, "The operation is stored, and runs in the background.", ["Location"]),
            200: Answer(Backfill, "Nothing is done: it was a dry run, or each time has a task."),
        },
        problems=[MalformedBody, PayloadTooLarge, UnsupportedMediaType, InvalidRequest, LimitReached, NotFound],
    ),
    Operation(
        method="POST",
        path="/api/webhooks/endpoints/{endpoint_id}/recover",
        handler=webhook_calls.recover_endpoint,
        summary="Send failed deliveries again",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers=STARTED,
        problems=[*_START, NotFound, IllegalState],
    ),
    Operation(
        method="POST",
        path="/api/webhooks/endpoints/{endpoint_id}/replay-missing",
        handler=webhook_calls.replay_missing,
        summary="Send missed events",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        answers=STARTED,
        problems=[*_START, NotFound, IllegalState, NoEventLog],
    ),
    Operation(
        method="POST",
        path="/api/webhooks/deliveries/resend",
        handler=webhook_calls.resend_deliveries,
        summary="Send many deliveries again",
        scope=WEBHOOKS_MANAGE,
        rate=CALLS,
        bounds=FILTER_BOUNDS,
        answers=STARTED,
        problems=_START,
    ),
    Operation(
        method="GET",
        path="/api/operations",
        handler=calls.list_operations,
        summary="List operations",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(OperationPage, headers=["Link"])},
        problems=[InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="GET",
        path="/api/operations/{operation_id}",
        handler=calls.get_operation,
        summary="Get an operation",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(OperationStatus)},
        problems=[NotFound],
    ),
    Operation(
        method="POST",
        path="/api/operations/{operation_id}/cancel",
        handler=calls.cancel_operation,
        summary="Cancel an operation",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={
            202: Answer(OperationStatus, "It ends after the step that is under way."),
            200: Answer(OperationStatus, "It was cancelled before, and has ended."),
        },
        problems=[NotFound, IllegalState],
    ),
)
