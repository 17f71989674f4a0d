"""Handlers of the calls about endpoints and signing secrets."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import NotFound
from app.http.json_response import JsonResponse
from app.identity.dependencies import acting
from app.identity.paging import Cursor, Limit, Page
from app.identity.principal import Principal
from app.tenants import plans
from app.webhooks.endpoints import changes, signing_secrets, store, trial
from app.webhooks.endpoints.parameters import EndpointId
from app.webhooks.endpoints.parts import WebhookParts
from app.webhooks.endpoints.schemas import (
    DEFAULT_OVERLAP_SECONDS,
    DEFAULT_TYPES,
    Endpoint,
    EndpointChange,
    EndpointPage,
    EndpointRequest,
    EndpointTest,
    EndpointTestRequest,
    RotateSecretRequest,
)
from app.webhooks.endpoints.secret_store import SecretOwner

# A secret must not stay in a cache.
_NO_STORE: Final = {"Cache-Control": "no-store"}
# Of a request without a body.
_USUAL_ROTATION: Final = RotateSecretRequest()
_USUAL_TEST: Final = EndpointTestRequest()


def _secret(found: BaseModel, status: int = 200, headers: Mapping[str, str] = _NO_STORE) -> Response:
    return JsonResponse(found.model_dump_json(), status, headers)


async def create_webhook_endpoint(
    request: Request, principal: Principal, parts: WebhookParts, body: EndpointRequest
) -> Response:
    """Create an endpoint. It gets the events that happen from now on.

    Each request to it is signed (Standard Webhooks) with its own secret, which the answer shows.
    """
    limit = plans.limits_of(principal).webhook_endpoints
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        made = await changes.create(connection, acting(request, principal), principal.tenant_id, body, limit=limit)
    location = {"Location": f"/api/webhooks/endpoints/{made.endpoint_id}"}
    return _secret(made, 201, _NO_STORE | location)


async def list_webhook_endpoints(
    request: Request, principal: Principal, parts: WebhookParts, limit: Limit = 20, cursor: Cursor = None
) -> Response:
    """List the tenant's endpoints, newest first."""
    tenant_id, page = principal.tenant_id, Page(limit, cursor, request, Response())
    before = page.before(tenant_id)
    async with page.place(tenant_id), parts.accounts.transaction(tenant_id) as connection:
        found = await store.page(connection, tenant_id, before=before, limit=limit + 1)
    rows, next_cursor = page.cut(tenant_id, found, "endpoint_id")
    items = [Endpoint(**changes.described(row)) for row in rows]
    headers = {"Link": page.link} if page.link else {}
    return JsonResponse(EndpointPage(items=items, next_cursor=next_cursor).model_dump_json(), headers=headers)


async def get_webhook_endpoint(principal: Principal, parts: WebhookParts, endpoint_id: EndpointId) -> Endpoint:
    """Return an endpoint. It tells whether deliveries to it fail, and by whom it was disabled."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        found = await store.find(connection, principal.tenant_id, endpoint_id)
    if found is None:
        raise NotFound(store.UNKNOWN)
    return Endpoint(**changes.described(found))


async def change_webhook_endpoint(
    request: Request, principal: Principal, parts: WebhookParts, endpoint_id: EndpointId, body: EndpointChange
) -> Endpoint:
    """Change an endpoint. Deliveries that wait are sent as it says then.

    While it is disabled, its events become deliveries that are SKIPPED.
    """
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        return await changes.change(connection, acting(request, principal), principal.tenant_id, endpoint_id, body)


async def delete_webhook_endpoint(
    request: Request, principal: Principal, parts: WebhookParts, endpoint_id: EndpointId
) -> Response:
    """Delete an endpoint. Deliveries that wait for it become SKIPPED within seconds."""
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        await changes.delete(connection, acting(request, principal), principal.tenant_id, endpoint_id)
    return Response(status_code=204)


async def get_webhook_endpoint_secret(principal: Principal, parts: WebhookParts, endpoint_id: EndpointId) -> Response:
    """Return the secret that signs requests to an endpoint."""
    return await _show(principal, parts, SecretOwner(principal.tenant_id, endpoint_id))


async def rotate_webhook_endpoint_secret(
    request: Request,
    principal: Principal,
    parts: WebhookParts,
    endpoint_id: EndpointId,
    body: RotateSecretRequest = _USUAL_ROTATION,
) -> Response:
    """Replace the secret of an endpoint. During the overlap both sign each request."""
    return await _rotate(request, principal, parts, SecretOwner(principal.tenant_id, endpoint_id), body)


async def get_webhook_secret(principal: Principal, parts: WebhookParts) -> Response:
    """Return the tenant's secret, which signs requests to the `webhook_url` of tasks."""
    return await _show(principal, parts, SecretOwner(principal.tenant_id))


async def rotate_webhook_secret(
    request: Request, principal: Principal, parts: WebhookParts, body: RotateSecretRequest = _USUAL_ROTATION
) -> Response:
    """Replace the tenant's secret. During the overlap both sign each request to a `webhook_url`."""
    return await _rotate(request, principal, parts, SecretOwner(principal.tenant_id), body)


async def _show(principal: Principal, parts: WebhookParts, owner: SecretOwner) -> Response:
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        return _secret(await signing_secrets.show(connection, principal.tenant_id, owner))


async def _rotate(
    request: Request, principal: Principal, parts: WebhookParts, owner: SecretOwner, body: RotateSecretRequest
) -> Response:
    asked = body.overlap_seconds
    overlap = timedelta(seconds=DEFAULT_OVERLAP_SECONDS if asked is None else asked)
    actor = acting(request, principal)
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        return _secret(await signing_secrets.rotate(connection, actor, principal.tenant_id, owner, overlap))


async def test_webhook_endpoint(
    request: Request,
    principal: Principal,
    parts: WebhookParts,
    endpoint_id: EndpointId,
    body: EndpointTestRequest = _USUAL_TEST,  # noqa: PT028 a call of the API, and no test of ours
) -> EndpointTest:
    """Send an example to an endpoint, and return its answer. It is signed like any other request.

    The call waits up to 15 s. There is one attempt, also to a disabled endpoint, and it does not count as a success or
    a failure of the endpoint.
    """
    kind, actor = body.type or DEFAULT_TYPES[0], acting(request, principal)
    return await trial.send(parts.reader, parts.accounts, actor, principal.tenant_id, endpoint_id, kind)
