"""The table of the task calls. ``app.http.operation`` describes the entries and their handlers.

The order matters: a fixed path must stand before a template that would match it.
"""

from collections.abc import Sequence
from typing import Final

from app.core.errors import (
    BacklogFull,
    DailyQuotaExceeded,
    IdempotencyConflict,
    IdempotencyMismatch,
    IllegalState,
    InvalidCursor,
    InvalidRequest,
    LimitReached,
    MalformedBody,
    MonthlyQuotaExceeded,
    NotFound,
    PayloadTooLarge,
    TaskErased,
    TooManyLargeBodies,
    TooManyLists,
    TooManyStreams,
    UnsupportedMediaType,
)
from app.http.operation import Answer, Operation
from app.http.strict_json import ORDINARY
from app.identity.scopes import TASKS_READ, TASKS_WRITE
from app.quotas.admission import CALLS, SUBMITS, TASK_CALLS
from app.quotas.schemas import QueueState
from app.tasks import change_calls, event_calls, queue_calls, submit_calls, task_calls
from app.tasks.change_schemas import ChangedTask, ErasedTask
from app.tasks.event_schemas import StreamToken, TaskEventPage
from app.tasks.list_schemas import TaskPage
from app.tasks.log_schemas import TaskLogPage
from app.tasks.schemas import (
    BATCH_BOUNDS,
    BatchResponse,
    CancelResponse,
    ResultPending,
    RetryResponse,
    SubmitResponse,
    TaskDetail,
    TaskResult,
    TaskStatus,
    TaskTypeList,
)

_BODY: Final = (MalformedBody, PayloadTooLarge, UnsupportedMediaType)
_SUBMIT: Final = (
    InvalidRequest,
    IdempotencyConflict,
    IdempotencyMismatch,
    TooManyLargeBodies,
    BacklogFull,
    DailyQuotaExceeded,
    MonthlyQuotaExceeded,
)
_REPLAY: Final = ("Location", "Idempotency-Replayed")

OPERATIONS: Final[Sequence[Operation]] = (
    Operation(
        method="POST",
        path="/api/tasks/submit",
        handler=submit_calls.submit_task,
        summary="Submit a task",
        scope=TASKS_WRITE,
        rate=SUBMITS,
        bounds=ORDINARY,
        answers={
            202: Answer(SubmitResponse, headers=["Location"]),
            200: Answer(SubmitResponse, "An earlier request with this Idempotency-Key made this task.", _REPLAY),
        },
        problems=[*_BODY, *_SUBMIT],
    ),
    Operation(
        method="POST",
        path="/api/tasks/batch",
        handler=submit_calls.submit_tasks,
        summary="Submit many tasks",
        scope=TASKS_WRITE,
        rate=SUBMITS,
        bounds=BATCH_BOUNDS,
        answers={
            202: Answer(BatchResponse),
            200: Answer(
                BatchResponse,
                "An earlier request with this Idempotency-Key made these tasks.",
                ["Idempotency-Replayed"],
            ),
        },
        problems=[*_BODY, *_SUBMIT],
    ),
    Operation(
        method="POST",
        path="/api/tasks/{task_id}/cancel",
        handler=task_calls.cancel_task,
        summary="Cancel a task",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(CancelResponse), 202: Answer(CancelResponse, "The task still runs. It ends within 5 s.")},
        problems=[NotFound, IllegalState],
    ),
    Operation(
        method="POST",
        path="/api/tasks/{task_id}/retry",
        handler=submit_calls.retry_task,
        summary="Run an ended task again",
        scope=TASKS_WRITE,
        rate=SUBMITS,
        answers={
            202: Answer(RetryResponse, headers=["Location"]),
            200: Answer(RetryResponse, "An earlier request with this Idempotency-Key made this task.", _REPLAY),
        },
        problems=[NotFound, IllegalState, TaskErased, *_SUBMIT],
    ),
    Operation(
        method="GET",
        path="/api/tasks/{task_id}/status",
        handler=task_calls.get_task_status,
        ready=task_calls.remembered_status,
        summary="Get the status of a task",
        scope=TASKS_READ,
        rate=TASK_CALLS,
        answers={200: Answer(TaskStatus)},
        problems=[NotFound],
    ),
    Operation(
        method="GET",
        path="/api/tasks/{task_id}/result",
        handler=task_calls.get_task_result,
        ready=task_calls.remembered_result,
        summary="Get the result of a task",
        scope=TASKS_READ,
        rate=TASK_CALLS,
        answers={200: Answer(TaskResult), 202: Answer(ResultPending, "The task has not ended yet.", ["Retry-After"])},
        problems=[NotFound, TaskErased],
    ),
    Operation(
        method="GET",
        path="/api/tasks/{task_id}/logs",
        handler=task_calls.get_task_logs,
        summary="Get the log of a task",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(TaskLogPage)},
        problems=[NotFound, InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="GET",
        path="/api/tasks/{task_id}/events",
        handler=event_calls.list_task_events,
        summary="Follow a task",
        scope=TASKS_READ,
        rate=TASK_CALLS,
        answers={200: Answer(TaskEventPage, stream="TaskEventEntry")},
        problems=[NotFound, InvalidCursor, TooManyStreams],
    ),
    Operation(
        method="POST",
        path="/api/tasks/{task_id}/stream-token",
        handler=event_calls.create_stream_token,
        summary="Make a token that may only read a task",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(StreamToken)},
        problems=[NotFound],
    ),
    Operation(
        method="GET",
        path="/api/tasks/{task_id}",
        handler=task_calls.get_task,
        summary="Get a task with its attempts",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(TaskDetail)},
        problems=[NotFound, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="PATCH",
        path="/api/tasks/{task_id}",
        handler=change_calls.change_task,
        summary="Change a waiting task",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(ChangedTask)},
        problems=[*_BODY, NotFound, IllegalState, InvalidRequest],
    ),
    Operation(
        method="DELETE",
        path="/api/tasks/{task_id}",
        handler=change_calls.erase_task,
        summary="Erase an ended task",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(ErasedTask)},
        problems=[NotFound, IllegalState],
    ),
    Operation(
        method="GET",
        path="/api/tasks",
        handler=task_calls.list_tasks,
        summary="List tasks",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(TaskPage, headers=["Link"])},
        problems=[InvalidCursor, InvalidRequest, TooManyLists],
    ),
    Operation(
        method="POST",
        path="/api/queue/pause",
        handler=queue_calls.pause_queue,
        summary="Pause your queue",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(QueueState)},
        problems=[LimitReached],
    ),
    Operation(
        method="POST",
        path="/api/queue/resume",
        handler=queue_calls.resume_queue,
        summary="Resume your queue",
        scope=TASKS_WRITE,
        rate=CALLS,
        answers={200: Answer(QueueState)},
    ),
    Operation(
        method="GET",
        path="/api/task-types",
        handler=task_calls.list_task_types,
        summary="List the task types",
        scope=TASKS_READ,
        rate=CALLS,
        answers={200: Answer(TaskTypeList, headers=["ETag"])},
    ),
)
