"""The queues: what waits and runs of each tenant, since when, and the operator's pauses."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.responses import Response

from app.admin import list_store, store
from app.admin.list_store import TenantPage
from app.operator import listing
from app.operator.listing import CutList
from app.operator.visit import OperatorVisit
from app.tenants import tenancy

_PAGE_SIZE: Final = 50


async def show(visit: OperatorVisit) -> Response:
    """Show the queues in which something waits, runs or is paused, the longest first; with ``show=all`` all by slug."""
    query = visit.request.query_params
    wants_all = query.get("show") == "all"
    search, after = query.get("q", "").strip().lower(), query.get("after", "")
    async with visit.parts.database.transaction() as connection:
        in_use = [row for row in await list_store.in_use_any_tenant(connection) if _is_busy(row)]
        total = await list_store.count_any_tenant(connection)
        page: TenantPage | CutList[dict[str, Any]]
        if wants_all:
            page = await list_store.tenants_any_tenant(
                connection, after=after, search=search, status="", limit=_PAGE_SIZE
            )
        else:
            found = sorted((row for row in in_use if search in row["slug"]), key=_order)
            page = listing.cut(found, lambda row: str(row["slug"]), after, _PAGE_SIZE)
        waiting = [row["tenant_id"] for row in page.rows if row["waiting"]]
        oldest = await store.oldest_due_any_tenant(connection, waiting)
    return visit.page(
        "queues.html", page=page, oldest=oldest, wants_all=wants_all, search=search, is_first=not after,
        busy=listing.counted(len(in_use), list_store.MAX_IN_USE), is_cut=len(in_use) > list_store.MAX_IN_USE,
        total=listing.counted(total, list_store.MAX_READ),
    )  # fmt: skip


def _is_busy(row: dict[str, Any]) -> bool:
    return bool(row["waiting"] or row["running"] or row["queue_paused"] or row["queue_paused_by_tenant"])


def _order(row: dict[str, Any]) -> tuple[int, int, str]:
    return -row["waiting"], -row["running"], row["slug"]


async def pause(visit: OperatorVisit) -> Response:
    """Start none of a tenant's tasks. Its calls are still answered."""
    return await _change(visit, tenancy.pause_queue)


async def resume(visit: OperatorVisit) -> Response:
    """End the operator's pause."""
    return await _change(visit, tenancy.resume_queue)


async def _change(visit: OperatorVisit, change: Callable[..., Awaitable[Any]]) -> Response:
    form = await visit.form()
    async with visit.parts.database.transaction() as connection:
        tenant = await tenancy.find(connection, visit.parameters["slug"])
        await change(connection, visit.actor, tenant.id)
    # The same button is on the page of the tenant.
    return visit.go(f"/tenants/{tenant.slug}" if form.get("from") == "tenant" else "/queues")
