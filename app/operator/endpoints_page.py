"""The webhook endpoints of all tenants that fail or are disabled, and the operator's switch."""

from typing import Any, Final

from starlette.responses import Response

from app.operator import listing
from app.operator.visit import OperatorVisit
from app.tenants import tenancy
from app.webhooks.endpoints import changes, store

_PAGE_SIZE: Final = 50


async def show(visit: OperatorVisit) -> Response:
    """Show the endpoints that fail or are disabled, those that fail first; with ``show=all`` every one."""
    query = visit.request.query_params
    slug, wants_all = query.get("tenant", "").strip(), query.get("show") == "all"
    async with visit.parts.database.statement() as connection:
        rows = await store.list_any_tenant(connection, slug or None)
    found = sorted((_shown(row) for row in rows if wants_all or is_unwell(row)), key=_order)
    return visit.page(
        "endpoints.html",
        page=listing.cut(found, lambda row: str(row["endpoint_id"]), query.get("after", ""), _PAGE_SIZE),
        is_first=not query.get("after"),
        wants_all=wants_all,
        slug=slug,
        unwell=sum(map(is_unwell, rows)),
        total=len(rows),
    )


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row without the query of its URL, which may have a secret of the tenant's."""
    return {**row, "url": str(row["url"]).partition("?")[0]}


def is_unwell(row: dict[str, Any]) -> bool:
    """Return whether an endpoint fails or is disabled."""
    return not row["enabled"] or row["failing_since"] is not None


def _order(row: dict[str, Any]) -> tuple[bool, bool, str, str]:
    return not (row["enabled"] and row["failing_since"]), row["enabled"], row["slug"], str(row["endpoint_id"])


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
