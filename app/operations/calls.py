"""Handlers of the calls that start, show and cancel operations."""

from starlette.requests import Request
from starlette.responses import Response

from app.http.json_response import JsonResponse
from app.identity.dependencies import acting
from app.identity.paging import Cursor, Limit, Page
from app.identity.principal import Principal
from app.operations import asking, starting
from app.operations.parameters import OperationId
from app.operations.parts import OperationParts
from app.operations.schemas import (
    CancelTasksRequest,
    OperationPage,
    OperationStatus,
    RetryTasksRequest,
)
from app.tasks.parameters import IdempotencyKey


async def cancel_tasks(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    body: CancelTasksRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Cancel every task that the filter selects. It runs in the background, as an operation.

    Waiting tasks end REVOKED; running ones are asked to end, as by a cancel of one task. Tasks that are submitted after
    this call are not affected.
    """
    return await starting.start(request, principal, parts, "tasks.cancel", body.filter.stored(), idempotency_key)


async def retry_tasks(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    body: RetryTasksRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Run every ended task that the filter selects again, as a new task. It runs in the background, as an operation.

    The new tasks count against the quotas. While a quota or the backlog leaves no room, the operation waits, and names
    the limit.
    """
    return await starting.start(request, principal, parts, "tasks.retry", body.filter.stored(), idempotency_key)


async def get_operation(principal: Principal, parts: OperationParts, operation_id: OperationId) -> OperationStatus:
    """Return an operation with its counts, its progress and its latest failures."""
    return await asking.show(parts.reader, principal.tenant_id, operation_id)


async def list_operations(
    request: Request, principal: Principal, parts: OperationParts, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    """List the tenant's operations, newest first. They are kept for 30 days after their end."""
    tenant_id, page = principal.tenant_id, Page(limit, cursor, request, Response())
    before = page.before(tenant_id)
    async with page.place(tenant_id):
        found = await asking.page(parts.reader, tenant_id, before=before, limit=limit + 1)
    items, next_cursor = page.cut(tenant_id, found, "operation_id")
    headers = {"Link": page.link} if page.link else {}
    return JsonResponse(OperationPage(items=list(items), next_cursor=next_cursor).model_dump_json(), headers=headers)


async def cancel_operation(
    request: Request, principal: Principal, parts: OperationParts, operation_id: OperationId
) -> Response:
    """Ask an operation to end. It does so within a second or two, and what it has done stays done."""
    actor = acting(request, principal)
    found = await asking.cancel(parts.accounts, principal.tenant_id, actor, operation_id)
    return JsonResponse(found.model_dump_json(), 202 if found.status == "RUNNING" else 200)
