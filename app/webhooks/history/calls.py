"""Handlers of the calls about deliveries and their metrics."""

from starlette.requests import Request
from starlette.responses import Response

from app.http.json_response import JsonResponse
from app.identity.paging import Cursor, Limit, Page
from app.identity.principal import Principal
from app.quotas.parts import QuotaParts
from app.webhooks.history import metrics, reading
from app.webhooks.history.metric_schemas import DeliveryMetrics
from app.webhooks.history.parameters import (
    DeliveryId,
    DeliveryStatusFilter,
    EndpointFilter,
    EventTypeFilter,
    MetricsBucket,
    MetricsBy,
    MetricsFrom,
    MetricsTo,
    Since,
    TaskIdFilter,
)
from app.webhooks.history.schemas import DeliveryAgain, DeliveryDetail, DeliveryPage
from app.webhooks.history.store import DeliveryFilter


async def list_deliveries(
    request: Request,
    principal: Principal,
    parts: QuotaParts,
    endpoint: EndpointFilter = None,
    status: DeliveryStatusFilter = None,
    type: EventTypeFilter = None,  # noqa: A002 the name of the parameter
    task_id: TaskIdFilter = None,
    since: Since = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """List the deliveries of the tenant's events, newest event first.

    With a filter, one call reads at most 5,000 deliveries, so a short or empty page may still have a `next_cursor`.
    """
    statuses = None if status is None else status.split(",")
    wanted = DeliveryFilter(endpoint, statuses, type, task_id, since)
    tenant_id, page = principal.tenant_id, Page(limit, cursor, request, Response())
    before = page.before(tenant_id)
    async with page.place(tenant_id):
        found, read_to = await reading.page(parts.reader, tenant_id, wanted, before=before, limit=limit + 1)
    items, next_cursor = page.cut(tenant_id, found, "delivery_id", read_to)
    headers = {"Link": page.link} if page.link else {}
    body = DeliveryPage(items=list(items), next_cursor=next_cursor).model_dump_json()
    return JsonResponse(body, headers=headers)


async def get_delivery(principal: Principal, parts: QuotaParts, delivery_id: DeliveryId) -> DeliveryDetail:
    """Return a delivery with its attempts, and the beginning of each answer."""
    # Attempts have up to 4 KiB each and all tenants share the connections, so this counts as a list.
    async with parts.list_limit.place(principal.tenant_id):
        return await reading.detail(parts.reader, principal.tenant_id, delivery_id)


async def resend_delivery(principal: Principal, parts: QuotaParts, delivery_id: DeliveryId) -> Response:
    """Send a delivery again, now and with the same `webhook-id`. If it fails, all attempts of the schedule follow."""
    await reading.resend(parts.reader, principal.tenant_id, delivery_id)
    return JsonResponse(DeliveryAgain(delivery_id=delivery_id).model_dump_json(), 202)


async def get_delivery_metrics(
    principal: Principal,
    parts: QuotaParts,
    first: MetricsFrom = None,
    last: MetricsTo = None,
    bucket: MetricsBucket = "hour",
    by: MetricsBy = None,
) -> DeliveryMetrics:
    """Count attempts of deliveries over time, with error rates and durations.

    Every attempt is counted in the transaction that records it. A bucket without attempts is left out.
    """
    async with parts.list_limit.place(principal.tenant_id):
        return await metrics.report(parts.reader, principal.tenant_id, first, last, bucket, by)
