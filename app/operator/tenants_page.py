"""The tenants: find one, and create one."""

from typing import Final

from starlette.responses import Response

from app.admin import list_store, new_tenants
from app.admin.new_tenants import NewTenant
from app.core.errors import InvalidRequest, Problem
from app.core.secrets import get_secrets
from app.operator.visit import OperatorVisit
from app.tenants import plans
from app.tenants.tenancy import SlugTaken

_PAGE_SIZE: Final = 50
_STATUSES: Final = ("active", "suspended")


async def show(visit: OperatorVisit) -> Response:
    """Show the tenants by slug, with what waits and runs of each."""
    return await _page(visit)


async def _page(visit: OperatorVisit, made: NewTenant | None = None, error: Problem | None = None) -> Response:
    query = visit.request.query_params
    search, status = query.get("q", "").strip(), query.get("status", "")
    status = status if status in _STATUSES else ""
    async with visit.parts.database.transaction() as connection:
        page = await list_store.tenants_any_tenant(
            connection, after=query.get("after", ""), search=search.lower(), status=status, limit=_PAGE_SIZE
        )
        has_any = bool(page.rows) or await list_store.count_any_tenant(connection) > 0
    return visit.page(
        "tenants.html",
        200 if error is None else error.status,
        page=page,
        is_first=not query.get("after"),
        has_any=has_any,
        search=search,
        chosen=status,
        statuses=_STATUSES,
        plans=tuple(plans.PLANS),
        made=made,
        error=error and error.detail,
    )


async def create(visit: OperatorVisit) -> Response:
    """Create a tenant, and show its first key and its webhook secret once."""
    form = await visit.form()
    try:
        async with visit.parts.database.transaction() as connection:
            made = await new_tenants.create(
                connection, visit.actor, get_secrets(),
                slug=form.get("slug"), name=form.get("name"), plan=form.get("plan"),
            )  # fmt: skip
    except (InvalidRequest, SlugTaken) as error:
        return await _page(visit, error=error)
    # No redirect: the key and the secret are shown once, and an address must not contain them.
    return await _page(visit, made)
