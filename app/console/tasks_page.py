"""The list of tasks: filters in the URL, and bulk actions."""

from datetime import UTC, datetime
from typing import Final

from starlette.responses import Response

from app.console import reading, task_filters
from app.console.visit import Visit
from app.core import ids
from app.identity.paging import Page
from app.tasks.definition import types
from app.tasks.status import Status

PAGE_SIZE: Final = 30


async def show(visit: Visit) -> Response:
    """Show a page of the tasks that match, or lead to the one task whose id was searched."""
    query = visit.request.query_params
    if task_id := ids.read(query.get("find", "").strip()):
        return visit.go(f"/tasks/{task_id}")
    filters = task_filters.read(query)
    oldest_first = filters.sort == "oldest"
    page = Page(PAGE_SIZE, query.get("cursor"), visit.request, Response(), oldest_first=oldest_first)
    position, tenant_id = page.before(visit.tenant_id), visit.tenant_id
    async with page.place(tenant_id):
        found, read_to = await visit.parts.reading.page(
            tenant_id,
            filters.wanted(datetime.now(UTC)),
            position=position,
            limit=PAGE_SIZE + 1,
            oldest_first=oldest_first,
        )
    items, next_cursor = page.cut(tenant_id, found, "task_id", read_to)
    return visit.page(
        "tasks.html",
        tasks=items,
        next_cursor=next_cursor,
        is_first=not query.get("cursor"),
        is_cut=read_to is not None and len(found) <= PAGE_SIZE,
        unknown_id=query.get("find", ""),
        filters=filters,
        statuses=list(Status),
        within=task_filters.WITHIN,
        types=list(types.all_types()),
        unfinished=reading.unfinished(items),
    )
