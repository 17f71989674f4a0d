"""Deliveries: the list of all of them with filters, one with its attempts, and a button that sends it again."""

from typing import Any, Final, get_args
from urllib.parse import urlencode
from uuid import UUID

from starlette.responses import Response

from app.console import endpoint_form
from app.console.visit import Visit
from app.core import ids
from app.events.types import EventType
from app.identity.scopes import WEBHOOKS_MANAGE
from app.webhooks.history import calls
from app.webhooks.history.schemas import DeliveryPage, DeliveryStatus

_PAGE_SIZE: Final = 30
STATUSES: Final = get_args(DeliveryStatus)


async def show_list(visit: Visit) -> Response:
    """Show the deliveries that match, newest first."""
    return visit.page(
        "deliveries.html",
        may_act=visit.may(WEBHOOKS_MANAGE),
        events=endpoint_form.EVENTS,
        **await read(visit),
    )


async def read(visit: Visit, endpoint_id: UUID | None = None) -> dict[str, Any]:
    """Return a page of deliveries with the filters of its URL. A filter that makes no sense is as none."""
    query = visit.request.query_params
    status, kind, task_id = query.get("status", ""), query.get("type", ""), ids.read(query.get("task_id", ""))
    filters = {
        "status": status if status in STATUSES else "",
        "type": kind if kind in list(EventType) else "",
        "task_id": str(task_id or ""),
    }
    answer = await calls.list_deliveries(
        visit.request,
        visit.principal,
        visit.parts,
        endpoint=endpoint_id,
        status=filters["status"] or None,
        type=EventType(filters["type"]) if filters["type"] else None,
        task_id=task_id,
        limit=_PAGE_SIZE,
        cursor=query.get("cursor"),
    )
    found = DeliveryPage.model_validate_json(bytes(answer.body))
    return {
        "deliveries": found.items,
        "next_cursor": found.next_cursor,
        "is_first": not query.get("cursor"),
        "filters": filters,
        "statuses": STATUSES,
        "query": urlencode({name: value for name, value in filters.items() if value}),
    }


async def show(visit: Visit) -> Response:
    """Show a delivery with its attempts."""
    delivery_id = visit.id_of("delivery_id", "delivery")
    found = await calls.get_delivery(visit.principal, visit.parts, delivery_id)
    return visit.page("delivery.html", delivery=found, may_act=visit.may(WEBHOOKS_MANAGE))


async def resend(visit: Visit) -> Response:
    """Send a delivery again."""
    await visit.form()
    delivery_id = visit.id_of("delivery_id", "delivery")
    await calls.resend_delivery(visit.principal, visit.parts, delivery_id)
    return visit.go(f"/webhooks/deliveries/{delivery_id}")
