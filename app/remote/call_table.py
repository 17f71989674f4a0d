"""The table of the calls of tenants' own workers. ``app.http.operation`` describes its entries and their handlers."""

from collections.abc import Sequence
from typing import Final

from app.core.errors import (
    IllegalState,
    InvalidRequest,
    LimitReached,
    MalformedBody,
    NotFound,
    PayloadTooLarge,
    TooManyLargeBodies,
    TooManyPolls,
    UnsupportedMediaType,
)
from app.http.operation import Answer, Operation
from app.http.strict_json import MAX_DEPTH, ORDINARY, Bounds
from app.identity.scopes import TASKS_READ, TASKS_WORK
from app.quotas.admission import CALLS
from app.remote import calls, type_calls
from app.remote.schemas import FinishResponse, HeartbeatResponse, LeaseResponse, ReleaseResponse, RemoteWorkerList
from app.remote.type_schemas import OwnTaskType

_BODY: Final = (MalformedBody, PayloadTooLarge, UnsupportedMediaType, InvalidRequest)
_TYPE: Final = "/api/task-types/{name}"
# The object and the list around the results take three levels.
_RESULTS: Final = Bounds(size=1024 * 1024, depth=MAX_DEPTH + 3)

CALL_TABLE: Final[Sequence[Operation]] = (
    Operation(
        method="PUT",
        path=_TYPE,
        handler=type_calls.put_task_type,
        summary="Declare a task type of your own",
        scope=TASKS_WORK,
        rate=CALLS,
        bounds=ORDINARY,
        answers={200: Answer(OwnTaskType), 201: Answer(OwnTaskType, "The task type is new.", ["Location"])},
        problems=[*_BODY, IllegalState, LimitReached],
    ),
    Operation(
        method="GET",
        path=_TYPE,
        handler=type_calls.get_task_type,
        summary="Get a task type of your own",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(OwnTaskType)},
        problems=[InvalidRequest, NotFound],
    ),
    Operation(
        method="DELETE",
        path=_TYPE,
        handler=type_calls.delete_task_type,
        summary="Delete a task type of your own",
        scope=TASKS_WORK,
        rate=CALLS,
        answers={204: Answer(None)},
        problems=[InvalidRequest, NotFound],
    ),
    Operation(
        method="POST",
        path="/api/work/lease",
        handler=calls.lease_tasks,
        summary="Lease tasks to a worker of your own",
        scope=TASKS_WORK,
        rate=CALLS,
        bounds=ORDINARY,
        answers={200: Answer(LeaseResponse)},
        problems=[*_BODY, TooManyPolls],
    ),
    Operation(
        method="POST",
        path="/api/work/heartbeat",
        handler=calls.heartbeat_leases,
        summary="Renew leases",
        scope=TASKS_WORK,
        rate=CALLS,
        bounds=ORDINARY,
        answers={200: Answer(HeartbeatResponse)},
        problems=_BODY,
    ),
    Operation(
        method="POST",
        path="/api/work/finish",
        handler=calls.finish_leases,
        summary="End leased tasks",
        scope=TASKS_WORK,
        rate=CALLS,
        bounds=_RESULTS,
        answers={200: Answer(FinishResponse)},
        problems=[*_BODY, TooManyLargeBodies],
    ),
    Operation(
        method="POST",
        path="/api/work/release",
        handler=calls.release_leases,
        summary="Give leased tasks back",
        scope=TASKS_WORK,
        rate=CALLS,
        answers={200: Answer(ReleaseResponse)},
        problems=_BODY,
    ),
    Operation(
        method="GET",
        path="/api/work/workers",
        handler=calls.list_workers,
        summary="List your own workers",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(RemoteWorkerList)},
    ),
)
