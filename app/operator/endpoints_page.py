"""The webhook endpoints of all tenants that fail or are disabled, and the operator's switch."""

from typing import Any, Final

from starlette.responses import Response

from app.operator import listing
from app.operator.visit import OperatorVisit
from app.tenants import tenancy
from app.webhooks.endpoints import changes
from app.webhooks.endpoints import operator_store as store

_PAGE_SIZE: Final = 50


async def show(visit: OperatorVisit) -> Response:
    """Show the endpoints that fail or are disabled; with ``show=all`` every one."""
    query = visit.request.query_params
    slug, wants_all, after = query.get("tenant", "").strip(), query.get("show") == "all", query.get("after", "")
    async with visit.parts.database.transaction() as connection:
        span = await store.span_any_tenant(connection, slug)
        unwell, total = await store.count_any_tenant(connection, span)
        rows = await store.page_any_tenant(
            connection, span.place(after), span, is_unwell=not wants_all, limit=_PAGE_SIZE + 1
        )
    return visit.page(
        "endpoints.html",
        page=listing.first([_shown(row) for row in rows], _place, _PAGE_SIZE),
        is_first=not after,
        wants_all=wants_all,
        slug=slug,
        unwell=listing.counted(unwell, store.MAX_COUNTED),
        total=listing.counted(total, store.MAX_COUNTED),
    )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without the query of its URL, which may have a secret of the tenant's."""
    return {**row, "url": str(row["url"]).partition("?")[0]}


def _place(row: dict[str, Any]) -> str:
    return str(store.EndpointPlace(row["tenant_id"], row["endpoint_id"]))


async def disable(visit: OperatorVisit) -> Response:
    """Send nothing to an endpoint. The tenant cannot enable it."""
    return await _switch(visit, is_enabled=False)


async def enable(visit: OperatorVisit) -> Response:
    """Send to an endpoint again, whatever it was disabled by."""
    return await _switch(visit, is_enabled=True)


async def _switch(visit: OperatorVisit, *, is_enabled: bool) -> Response:
    await visit.form()
    endpoint_id = visit.id_of("endpoint_id", "endpoint")
    async with visit.parts.database.transaction() as connection:
        tenant = await tenancy.find(connection, visit.parameters["slug"])
    # In a transaction of the tenant: an event may follow, and is written for the transaction's tenants only.
    async with visit.parts.database.transaction(tenant.id) as connection:
        await changes.switch(connection, visit.actor, tenant.id, endpoint_id, is_enabled=is_enabled)
    return visit.go("/endpoints")
