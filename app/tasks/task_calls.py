"""Handlers of the calls that read, list and cancel tasks, and that list the task types."""

import json
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.http import openapi
from app.http.json_response import JsonResponse
from app.identity.paging import AskedTime, Cursor, Limit, Page
from app.identity.principal import Principal
from app.tasks import own_type_store, responses
from app.tasks.definition import types, unknown_members
from app.tasks.list_schemas import TaskPage
from app.tasks.log_schemas import TaskLogPage
from app.tasks.parameters import (
    NEWEST_FIRST,
    After,
    ErrorFilter,
    Include,
    LogLimit,
    MetadataFilter,
    Prefer,
    Sort,
    StatusFilter,
    TagFilter,
    TaskId,
    TypeFilter,
    Wait,
    seconds_to_wait,
)
from app.tasks.parts import TaskParts
from app.tasks.read import log_reading
from app.tasks.read.ended_tasks import Kind
from app.tasks.read.reading import Caller
from app.tasks.read.task_filter import TaskFilter
from app.tasks.run import cancellation
from app.tasks.schemas import CancelResponse, TaskTypeInfo, TaskTypeList
from app.tasks.status import Status
from app.tenants import plans

if TYPE_CHECKING:
    import asyncpg


async def cancel_task(principal: Principal, parts: TaskParts, task_id: TaskId) -> Response:
    """End a waiting task at once, or a running one within 5 s. Its slot stays in use until its code has stopped."""
    status = await cancellation.cancel(parts.reader, parts.redis, principal.tenant_id, task_id)
    return responses.cancelled(CancelResponse(task_id=task_id, status=status))


async def get_task_status(principal: Principal, parts: TaskParts, task_id: TaskId) -> Response:
    """Return the task's status and progress, and the reason if it waits."""
    if known := remembered_status(principal, parts, task_id):
        return known
    return responses.read((await parts.reading.status(principal.tenant_id, task_id)).body)


def remembered_status(principal: Principal, parts: TaskParts, task_id: TaskId) -> Response | None:
    """Return the status of an ended task that this process has read before; None if Postgres must be asked."""
    return _remembered("status", principal, parts, task_id)


async def get_task_result(
    request: Request, principal: Principal, parts: TaskParts, task_id: TaskId, wait: Wait = 0, prefer: Prefer = None
) -> Response:
    """Return the result if the task has ended. With `wait`, the answer comes as soon as the task ends."""
    if known := remembered_result(principal, parts, task_id):
        return known
    caller = Caller(
        still_may=partial(parts.verifier.authenticate, request.scope, is_again=True), gone=partial(_gone, request)
    )
    seconds = seconds_to_wait(wait, prefer)
    return responses.result(await parts.reading.result(principal.tenant_id, task_id, seconds, caller))


def remembered_result(principal: Principal, parts: TaskParts, task_id: TaskId) -> Response | None:
    """Return the outcome of an ended task that this process has read before; None if Postgres must be asked."""
    return _remembered("result", principal, parts, task_id)


def _remembered(kind: Kind, principal: Principal, parts: TaskParts, task_id: UUID) -> Response | None:
    retention_days = plans.limits_of(principal).retention_days
    text = parts.reading.ended.find(kind, principal.tenant_id, task_id, retention_days)
    return None if text is None else responses.read(text)


async def _gone(request: Request) -> None:
    # The other messages are parts of a body, which has no meaning in a GET request.
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def get_task(principal: Principal, parts: TaskParts, task_id: TaskId, include: Include = None) -> Response:
    """Return everything about the task, with all attempts, and with its result if you ask for it."""
    # A payload may be large and all tenants share the connections, so this counts as a list.
    async with parts.list_limit.place(principal.tenant_id):
        found = await parts.reading.detail(principal.tenant_id, task_id, with_result=include is not None)
    return responses.detail(found)


async def get_task_logs(
    principal: Principal, parts: TaskParts, task_id: TaskId, after: After = None, limit: LogLimit = 100
) -> TaskLogPage:
    """Return what the task's code has logged, oldest first, also while it runs.

    Send `next_cursor` as `after` to read on. It is null once the task has ended and you have every line.
    """
    async with parts.list_limit.place(principal.tenant_id):
        return await log_reading.page(
            parts.reader, principal.tenant_id, task_id, after=after, limit=limit, cursor_key=parts.cursor_key
        )


async def list_tasks(
    request: Request,
    principal: Principal,
    parts: TaskParts,
    status: StatusFilter = None,
    task: TypeFilter = None,
    tag: TagFilter = None,
    metadata: MetadataFilter = None,
    error_id: ErrorFilter = None,
    created_from: AskedTime | None = None,
    created_to: AskedTime | None = None,
    finished_from: AskedTime | None = None,
    finished_to: AskedTime | None = None,
    sort: Sort = NEWEST_FIRST,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """List the tenant's tasks, newest first unless `sort` says otherwise.

    With a filter, one call reads at most 5,000 tasks, so a short or empty page may still have a `next_cursor`.
    """
    statuses = None if status is None else [Status(name) for name in status.split(",")]
    pair = None if metadata is None else dict([metadata.split(":", 1)])
    error = None if error_id is None else UUID(error_id)
    wanted = TaskFilter(statuses, task, tag, created_from, created_to, finished_from, finished_to, pair, error)
    oldest_first = sort != NEWEST_FIRST
    tenant_id, page = principal.tenant_id, Page(limit, cursor, request, Response(), oldest_first=oldest_first)
    position = page.before(tenant_id)
    async with page.place(tenant_id):
        found, read_to = await parts.reading.page(
            tenant_id, wanted, position=position, limit=limit + 1, oldest_first=oldest_first
        )
    items, next_cursor = page.cut(tenant_id, found, "task_id", read_to)
    return responses.page(TaskPage(items=items, next_cursor=next_cursor), page.link)


async def list_task_types(request: Request, principal: Principal, parts: TaskParts) -> Response:
    """List every task type, with the JSON schemas of its payload and result: the service's, then your own."""
    async with parts.reader.transaction(principal.tenant_id) as connection:
        own = await own_type_store.all_types(connection, principal.tenant_id)
    if not own:
        return await _TASK_TYPES(request)
    known = TaskTypeList(items=[*_shipped(), *map(_own_type, own)])
    return JsonResponse(known.model_dump_json())


def _own_type(row: "asyncpg.Record") -> TaskTypeInfo:
    return TaskTypeInfo(
        name=row["name"],
        summary=row["summary"],
        pool="remote",
        max_attempts=row["max_attempts"],
        time_limit=row["time_limit"],
        payload_schema=_schema(row["payload_schema"]),
        result_schema=_schema(row["result_schema"]),
    )


def _schema(text: str | None) -> dict[str, Any]:
    """Return a stored schema as an object: no schema takes every value, as true does."""
    schema = True if text is None else json.loads(text)
    return schema if isinstance(schema, dict) else {} if schema else {"not": {}}


def _task_types() -> str:
    return TaskTypeList(items=_shipped()).model_dump_json()


def _shipped() -> list[TaskTypeInfo]:
    return [
        TaskTypeInfo(
            name=task_type.name,
            summary=task_type.summary,
            pool=task_type.pool,
            max_attempts=task_type.max_attempts,
            time_limit=task_type.time_limit,
            payload_schema=unknown_members.json_schema(task_type.payload),
            result_schema=task_type.result.json_schema(),
        )
        for task_type in types.all_types().values()
    ]


# Made once: task types do not change while a process runs.
_TASK_TYPES: Final = openapi.kept(_task_types)
