"""Handlers of the calls that send many deliveries again, in the background."""

from starlette.requests import Request
from starlette.responses import Response

from app.core.errors import IllegalState, NoEventLog, NotFound
from app.identity.principal import Principal
from app.operations import starting
from app.operations.parts import OperationParts
from app.operations.webhook_schemas import RecoverRequest, ReplayMissingRequest, ResendDeliveriesRequest
from app.tasks.parameters import IdempotencyKey
from app.tenants import plans
from app.webhooks import repair_store
from app.webhooks.endpoints.parameters import EndpointId


async def recover_endpoint(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    endpoint_id: EndpointId,
    body: RecoverRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send every failed delivery of an endpoint again. It runs in the background, as an operation.

    Each is sent with its own `webhook-id`, and has all attempts of the schedule again. Deliveries that fail after this
    call are not affected.
    """
    await _require_enabled(principal, parts, endpoint_id)
    chosen = {"endpoint": str(endpoint_id), **body.model_dump(mode="json", exclude_none=True)}
    return await starting.start(request, principal, parts, "webhooks.recover", chosen, idempotency_key)


async def replay_missing(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    endpoint_id: EndpointId,
    body: ReplayMissingRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send an endpoint the events that it was never sent. It runs in the background, as an operation.

    These are events that were skipped while it was disabled, and events that it asks for now and that happened before
    it existed or asked for them. `webhook-id` is the one that other endpoints have got.
    """
    if not plans.limits_of(principal).event_hours:
        raise NoEventLog("The limit event_hours is 0, so no events are kept. Ask the operator to raise it.")
    await _require_enabled(principal, parts, endpoint_id)
    chosen = {"endpoint": str(endpoint_id), **body.model_dump(mode="json")}
    return await starting.start(request, principal, parts, "webhooks.replay_missing", chosen, idempotency_key)


async def resend_deliveries(
    request: Request,
    principal: Principal,
    parts: OperationParts,
    body: ResendDeliveriesRequest,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Send every delivery that the filter selects again. It runs in the background, as an operation.

    Deliveries that end after this call are not affected. One whose endpoint is disabled counts as failed.
    """
    return await starting.start(request, principal, parts, "webhooks.resend", body.filter.stored(), idempotency_key)


async def _require_enabled(principal: Principal, parts: OperationParts, endpoint_id: EndpointId) -> None:
    async with parts.accounts.transaction(principal.tenant_id) as connection:
        enabled = await repair_store.is_enabled(connection, principal.tenant_id, endpoint_id)
    if enabled is None:
        raise NotFound("There is no such endpoint.")
    if not enabled:
        raise IllegalState("The endpoint is disabled. Enable it first.")
