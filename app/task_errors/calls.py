"""Handlers of the calls about errors."""

from uuid import UUID

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import NotFound
from app.http.json_response import JsonResponse
from app.identity.paging import Cursor, Limit, Page
from app.identity.principal import Principal
from app.operations import starting
from app.operations.parts import OperationParts
from app.operations.schemas import RetryFilter
from app.task_errors import store
from app.task_errors.parameters import ErrorId, ErrorStatusFilter
from app.task_errors.schemas import ErrorPlace, ErrorStatus, KnownError, KnownErrorPage
from app.tasks.parameters import IdempotencyKey, TypeFilter


async def list_errors(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    status: ErrorStatusFilter = None,
    task: TypeFilter = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """List the errors of the tenant's tasks, the one that was seen last first.

    A failed attempt is counted within a second or two. The 1,000 errors that were seen last are kept.
    """
    tenant_id, page = principal.tenant_id, Page(limit, cursor, request, Response())
    position = page.position(tenant_id)
    after = None if position is None else ErrorPlace.read(position)
    statuses = None if status is None else status.split(",")
    async with page.place(tenant_id), parts.reader.transaction(tenant_id) as connection:
        rows = await store.page(connection, tenant_id, statuses=statuses, task=task, after=after, limit=limit + 1)
    found = [KnownError.model_validate(dict(row)) for row in rows]
    items, next_cursor = page.cut(tenant_id, found, "place")
    headers = {"Link": page.link} if page.link else {}
    return JsonResponse(KnownErrorPage(items=list(items), next_cursor=next_cursor).model_dump_json(), headers=headers)


async def get_error(principal: Principal, parts: OperationParts, error_id: ErrorId) -> KnownError:
    """Return an error with its counts."""
    async with parts.reader.transaction(principal.tenant_id) as connection:
        row = await store.find(connection, principal.tenant_id, error_id)
    if row is None:
        raise NotFound("There is no such error.")
    return KnownError.model_validate(dict(row))


async def resolve_error(principal: Principal, parts: OperationParts, error_id: ErrorId) -> KnownError:
    """Mark an error as resolved. If it is seen again later, it becomes unresolved and has `regressed_at`."""
    return await _change(principal, parts, error_id, "resolved")


async def ignore_error(principal: Principal, parts: OperationParts, error_id: ErrorId) -> KnownError:
    """Mark an error as ignored. It stays so, and its occurrences are counted."""
    return await _change(principal, parts, error_id, "ignored")


async def reopen_error(principal: Principal, parts: OperationParts, error_id: ErrorId) -> KnownError:
    """Mark an error as unresolved again."""
    return await _change(principal, parts, error_id, "unresolved")


async def _change(principal: Principal, parts: OperationParts, error_id: UUID, status: ErrorStatus) -> KnownError:
    async with parts.reader.transaction(principal.tenant_id) as connection:
        by = principal.actor.name
        await store.change(connection, principal.tenant_id, error_id, status=status, by=by)
    return await get_error(principal, parts, error_id)


async def retry_error(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    error_id: ErrorId,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Run every task that ended in FAILURE with this error again, as a new task. It runs as an operation.

    It is the same as `POST /api/tasks/retry` with the filter `{"error_id": …}`.
    """
    # An operation with an unknown error would be accepted, and then find no task.
    await get_error(principal, parts, error_id)
    chosen = RetryFilter(error_id=error_id)
    return await starting.start(request, principal, parts, "tasks.retry", chosen.stored(), idempotency_key)
