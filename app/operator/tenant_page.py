"""One tenant: its plan, limits and usage, and what an operator may do to it."""

import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

from starlette.responses import Response

from app.admin import operator_access
from app.audit import log as audit
from app.core.errors import InvalidRequest, Problem
from app.operator.limit_rows import limit_rows
from app.operator.visit import OperatorVisit
from app.quotas import usage
from app.tenants import plans, tenancy

_ACTS: Final = 20
_NUMBER: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)


async def show(visit: OperatorVisit) -> Response:
    """Show a tenant."""
    return await _page(visit)


async def _page(visit: OperatorVisit, error: Problem | None = None) -> Response:
    async with visit.parts.database.transaction() as connection:
        tenant = await tenancy.find(connection, visit.parameters["slug"])
        standing = await usage.standing_of(connection, tenant.id)
        # Also what other operators did: a tenant that waits may have been paused by somebody else.
        acts = await audit.acts_of_operators_any_tenant(connection, _ACTS, tenant.id)
    limits = tenancy.limits_of(tenant)
    return visit.page(
        "tenant.html",
        200 if error is None else error.status,
        tenant=tenant,
        plans=tuple(plans.PLANS),
        limits=limit_rows(tenant, standing),
        periods=[
            ("Today", standing["tasks_per_day"], limits.tasks_per_day),
            ("This month", standing["tasks_per_month"], limits.tasks_per_month),
        ],
        standing=standing,
        unlimited=plans.UNLIMITED,
        acts=acts,
        error=error and error.detail,
    )


async def set_plan(visit: OperatorVisit) -> Response:
    """Change the plan. Overrides stay."""
    plan = (await visit.form()).get("plan")
    return await _change(
        visit, lambda connection, actor, tenant_id: tenancy.set_plan(connection, actor, tenant_id, plan)
    )


async def set_limit(visit: OperatorVisit) -> Response:
    """Override one limit of the plan, or remove the override if the field is empty."""
    form = await visit.form()
    name, text = form.get("name"), form.get("value")
    return await _change(
        visit,
        lambda connection, actor, tenant_id: tenancy.set_limits(connection, actor, tenant_id, {name: _read(text)}),
    )


def _read(text: str) -> int | None:
    if text and not _NUMBER.fullmatch(text):
        raise InvalidRequest("Write the limit as a whole number, or leave the field empty for that of the plan.")
    return int(text) if text else None


async def suspend(visit: OperatorVisit) -> Response:
    """Refuse the tenant's calls and start none of its tasks."""
    await visit.form()
    return await _change(visit, tenancy.suspend)


async def resume(visit: OperatorVisit) -> Response:
    """End a suspension."""
    await visit.form()
    return await _change(visit, tenancy.resume)


async def _change(visit: OperatorVisit, change: Callable[..., Awaitable[Any]]) -> Response:
    """Change the tenant in one transaction with the audit event, and show it again."""
    try:
        async with visit.parts.database.transaction() as connection:
            tenant = await tenancy.find(connection, visit.parameters["slug"])
            await change(connection, visit.actor, tenant.id)
    except InvalidRequest as error:
        return await _page(visit, error)
    return visit.go(f"/tenants/{tenant.slug}")


async def enter(visit: OperatorVisit) -> Response:
    """Make a link to the tenant's console, as a viewer for 15 minutes."""
    await visit.form()
    async with visit.parts.database.transaction() as connection:
        tenant = await tenancy.find(connection, visit.parameters["slug"])
        secret = await operator_access.enter(connection, visit.actor, tenant)
    # No redirect: the policy of these pages lets a form lead to no other origin.
    url = f"{visit.parts.console_url}/console/link/{secret}"
    return visit.page("enter.html", tenant=tenant, url=url, minutes=operator_access.SESSION_SECONDS // 60)
