"""The task calls."""

from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from app.core import ids
from app.core.errors import (
    BacklogFull,
    DailyQuotaExceeded,
    IdempotencyConflict,
    IdempotencyMismatch,
    IllegalState,
    InvalidCursor,
    InvalidRequest,
    MalformedBody,
    MonthlyQuotaExceeded,
    NotFound,
    PayloadTooLarge,
    TooManyLargeBodies,
    TooManyLists,
    UnsupportedMediaType,
)
from app.http import openapi
from app.http.document_rules import headers
from app.http.list_limit import ListLimit
from app.http.problem import responses
from app.identity.dependencies import TaskReader, TaskWriter
from app.identity.paging import AskedPage, AskedTime
from app.quotas import dependencies as quotas
from app.quotas.dependencies import TaskSubmitter
from app.tasks import bodies, types
from app.tasks import responses as answers
from app.tasks.bodies import Sent
from app.tasks.callers import waiting_caller
from app.tasks.parameters import IdempotencyKey, TaskId, TraceParent
from app.tasks.reading import Reading
from app.tasks.run import cancellation
from app.tasks.schemas import (
    BatchRequest,
    BatchResponse,
    CancelResponse,
    ResultPending,
    RetryResponse,
    SubmitRequest,
    SubmitResponse,
    Tag,
    TaskDetail,
    TaskPage,
    TaskResult,
    TaskStatus,
    TaskTypeInfo,
    TaskTypeList,
)
from app.tasks.status import Status
from app.tasks.submit import repeat
from app.tasks.task_filter import TaskFilter
from app.tasks.task_route import TaskRoute

router: Final = APIRouter(prefix="/api", route_class=TaskRoute, tags=["tasks"])
_SUBMIT_PROBLEMS: Final = (
    InvalidRequest,
    IdempotencyConflict,
    IdempotencyMismatch,
    TooManyLargeBodies,
    BacklogFull,
    DailyQuotaExceeded,
    MonthlyQuotaExceeded,
)


def _id(text: str) -> UUID:
    task_id = ids.read(text)
    if task_id is None:
        raise NotFound("There is no such task.")
    return task_id


@router.post(
    "/tasks/submit",
    operation_id="submit_task",
    summary="Submit a task",
    status_code=202,
    response_model=SubmitResponse,
    responses=responses(MalformedBody, PayloadTooLarge, UnsupportedMediaType, *_SUBMIT_PROBLEMS)
    | {
        202: headers("Location"),
        200: {"model": SubmitResponse, "description": "This Idempotency-Key made this task before."}
        | headers("Location", "Idempotency-Replayed"),
    },
)
async def submit_task(
    request: Request,
    principal: TaskSubmitter,
    body: SubmitRequest,
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> Any:
    """Accept a task: a 202 means that it is stored and will finish."""
    sent = await _sent(request, idempotency_key, traceparent)
    read = partial(bodies.submission, principal, body, sent)
    rate = await quotas.admit(request, principal)
    accepted, limits = await bodies.accept(request, principal, sent.raw, read, rate)
    request.scope["state"]["task_id"] = str(accepted.task_ids[0])
    return answers.accepted(accepted, limits, rate)


@router.post(
    "/tasks/batch",
    operation_id="submit_tasks",
    summary="Submit many tasks",
    status_code=202,
    response_model=BatchResponse,
    responses=responses(MalformedBody, PayloadTooLarge, UnsupportedMediaType, *_SUBMIT_PROBLEMS)
    | {
        200: {"model": BatchResponse, "description": "This Idempotency-Key made these tasks before."}
        | headers("Idempotency-Replayed")
    },
)
async def submit_tasks(
    request: Request,
    principal: TaskSubmitter,
    body: BatchRequest,
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> Any:
    """Accept many tasks at once. Each is checked by itself, and the outcomes say which are stored.

    All of them are stored in one transaction. The batch counts as one request for the rate limit. A 429 means that no
    task was accepted.
    """
    sent = await _sent(request, idempotency_key, traceparent)
    read = partial(bodies.batch, principal, body.tasks, sent)
    rate = await quotas.admit(request, principal)
    accepted, limits = await bodies.accept(request, principal, sent.raw, read, rate)
    return answers.batch(accepted, limits, rate)


async def _sent(request: Request, key: str | None, traceparent: str | None) -> Sent:
    return Sent(await request.body(), await request.json(), _key(key), traceparent)


def _key(header: str | None) -> str | None:
    # The draft standard quotes the key, common practice does not: both forms mean the same key.
    if header is None:
        return None
    key = header[1:-1] if len(header) > 1 and header[0] == header[-1] == '"' else header
    if not (1 <= len(key) <= 255 and key.isascii() and key.isprintable()):  # noqa: PLR2004
        raise InvalidRequest("Idempotency-Key takes 1 to 255 printable ASCII characters.")
    return key


@router.post(
    "/tasks/{task_id}/cancel",
    operation_id="cancel_task",
    summary="Cancel a task",
    response_model=CancelResponse,
    responses=responses(NotFound, IllegalState)
    | {202: {"model": CancelResponse, "description": "It runs, and ends within 5 s."}},
)
async def cancel_task(request: Request, response: Response, principal: TaskWriter, task_id: TaskId) -> CancelResponse:
    """End a waiting task at once, a running one within 5 s. Its slot stays in use until its code has stopped."""
    state = request.app.state
    status = await cancellation.cancel(state.reader, state.redis, principal.tenant_id, _id(task_id))
    if status is Status.STARTED:
        response.status_code = 202
    return CancelResponse(task_id=_id(task_id), status=status)


@router.post(
    "/tasks/{task_id}/retry",
    operation_id="retry_task",
    summary="Run an ended task again",
    status_code=202,
    response_model=RetryResponse,
    responses=responses(NotFound, IllegalState, *_SUBMIT_PROBLEMS)
    | {
        200: {"model": RetryResponse, "description": "A replay of an earlier request."}
        | headers("Location", "Idempotency-Replayed"),
        202: headers("Location"),
    },
)
async def retry_task(
    request: Request,
    principal: TaskSubmitter,
    task_id: TaskId,
    idempotency_key: IdempotencyKey = None,
    traceparent: TraceParent = None,
) -> Any:
    """Run an ended task again as a new one, which counts against the quotas."""
    rate = await quotas.admit(request, principal)
    key, ended_id = _key(idempotency_key), _id(task_id)
    ended = await repeat.find_ended(request.app.state.reader, principal.tenant_id, ended_id)
    read = partial(bodies.repeated, principal, ended_id, ended, key, traceparent)
    accepted, limits = await bodies.accept(request, principal, ended["payload"].encode(), read, rate)
    return answers.accepted(accepted, limits, rate, retry_of=ended_id)


@router.get(
    "/tasks/{task_id}/status",
    operation_id="get_task_status",
    summary="Get the status of a task",
    response_model=TaskStatus,
    responses=responses(NotFound),
)
async def get_task_status(request: Request, principal: TaskReader, task_id: TaskId) -> Any:
    """Return the task's status and progress, and the reason if it waits."""
    return answers.status(await request.app.state.reading.status(principal.tenant_id, _id(task_id)))


@router.get(
    "/tasks/{task_id}/result",
    operation_id="get_task_result",
    summary="Get the result of a task",
    response_model=TaskResult,
    responses=responses(NotFound)
    | {202: {"model": ResultPending, "description": "It has not ended yet."} | headers("Retry-After")},
)
async def get_task_result(
    request: Request,
    principal: TaskReader,
    task_id: TaskId,
    wait: Annotated[float, Query(ge=0, le=30, description="Seconds to wait for the end.")] = 0,
    prefer: Annotated[str | None, Header(description="`wait=N` means the same as the parameter.")] = None,
) -> Any:
    """Return the result if the task has ended. With `wait` the answer comes as soon as the task ends."""
    seconds = wait or _preferred_wait(prefer)
    caller = waiting_caller(request)
    return answers.result(await request.app.state.reading.result(principal.tenant_id, _id(task_id), seconds, caller))


def _preferred_wait(prefer: str | None) -> float:
    for preference in (prefer or "").split(","):
        name, _, value = preference.strip().partition("=")
        if name.lower() == "wait" and value.isdecimal():
            return min(float(value), 30)
    return 0


@router.get(
    "/tasks/{task_id}",
    operation_id="get_task",
    summary="Get a task with its attempts",
    response_model=TaskDetail,
    responses=responses(NotFound, TooManyLists),
)
async def get_task(request: Request, principal: TaskReader, task_id: TaskId) -> Any:
    """Return everything about the task except its result, with each attempt."""
    reading: Reading = request.app.state.reading
    limit: ListLimit = request.app.state.list_limit
    # A payload may be large and all tenants share the connections, so this counts as a list.
    async with limit.place(principal.tenant_id):
        return answers.detail(await reading.detail(principal.tenant_id, _id(task_id)))


@router.get(
    "/tasks",
    operation_id="list_tasks",
    summary="List tasks",
    response_model=TaskPage,
    responses=responses(InvalidCursor, InvalidRequest, TooManyLists) | {200: headers("Link")},
)
async def list_tasks(
    request: Request,
    principal: TaskReader,
    page: AskedPage,
    status: Annotated[Status | None, Query()] = None,
    task: Annotated[str | None, Query(max_length=64, pattern=f"^{types.NAME}$")] = None,
    tag: Annotated[Tag | None, Query()] = None,
    created_from: Annotated[AskedTime | None, Query()] = None,
    created_to: Annotated[AskedTime | None, Query()] = None,
) -> TaskPage:
    """List the tenant's tasks, newest first.

    With a filter, one call reads at most 20,000 tasks. So a page may be short or empty and still have a `next_cursor`.
    """
    wanted = TaskFilter(status, task, tag, created_from, created_to)
    tenant_id = principal.tenant_id
    before = page.before(tenant_id)
    reading: Reading = request.app.state.reading
    async with page.place(tenant_id):
        found, read_to = await reading.page(tenant_id, wanted, before=before, limit=page.limit + 1)
    items, next_cursor = page.cut(tenant_id, found, "task_id", read_to)
    return TaskPage(items=items, next_cursor=next_cursor)


@router.get(
    "/task-types",
    operation_id="list_task_types",
    summary="List the task types",
    response_model=TaskTypeList,
    responses={200: headers("ETag")},
)
async def list_task_types(request: Request, _principal: TaskReader) -> Any:
    """List every task type, with the JSON schemas of its payload and result."""
    return await _TASK_TYPES(request)


def _task_types() -> str:
    known = TaskTypeList(
        items=[
            TaskTypeInfo(
                name=task_type.name,
                summary=task_type.summary,
                pool=task_type.pool,
                max_attempts=task_type.max_attempts,
                time_limit=task_type.time_limit,
                payload_schema=task_type.payload.model_json_schema(),
                result_schema=task_type.result.json_schema(),
            )
            for task_type in types.all_types().values()
        ]
    )
    return known.model_dump_json()


_TASK_TYPES: Final = openapi.kept(_task_types)
