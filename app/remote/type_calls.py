"""Handlers of the calls about a tenant's own task types."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import InvalidRequest
from app.http.json_response import JsonResponse
from app.http.strict_json import Incoming, TooDeep
from app.identity.dependencies import acting
from app.identity.principal import Principal
from app.remote import type_changes
from app.remote.parameters import TypeName
from app.remote.parts import RemoteParts
from app.remote.type_schemas import OwnTaskType, OwnTaskTypeValues
from app.tenants import plans


async def put_task_type(
    request: Request, principal: Principal, parts: RemoteParts, name: TypeName, body: Incoming[OwnTaskTypeValues]
) -> Response:
    """Declare a task type of your own, or replace its values. The same request again changes nothing.

    Workers of your own run its tasks (`POST /api/work/lease`). A new payload schema counts for new submits.
    """
    await body.receive()
    tenant_id, limits = principal.tenant_id, plans.limits_of(principal)
    # Compiling a schema may take some ten milliseconds.
    wanted = await asyncio.to_thread(lambda: type_changes.columns(_read(body)))
    async with parts.accounts.transaction(tenant_id) as connection:
        put = await type_changes.put(
            connection, acting(request, principal), tenant_id, name, wanted, limit=limits.task_types
        )
    parts.own_types.forget(tenant_id)
    headers = {"Location": f"/api/task-types/{name}"} if put.is_new else {}
    return JsonResponse(put.task_type.model_dump_json(), 201 if put.is_new else 200, headers)


def _read(body: Incoming[OwnTaskTypeValues]) -> OwnTaskTypeValues:
    try:
        return body.read()
    except TooDeep as error:
        raise InvalidRequest(error.detail) from None


async def get_task_type(principal: Principal, parts: RemoteParts, name: TypeName) -> OwnTaskType:
    """Return a task type of your own."""
    async with parts.reader.transaction(principal.tenant_id) as connection:
        return await type_changes.find(connection, principal.tenant_id, name)


async def delete_task_type(request: Request, principal: Principal, parts: RemoteParts, name: TypeName) -> Response:
    """Delete a task type of your own. Nothing more can be submitted to it; tasks that it has can still be leased."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        await type_changes.delete(connection, acting(request, principal), principal.tenant_id, name)
    parts.own_types.forget(principal.tenant_id)
    return Response(status_code=204)
