"""The commands on queues and on usage."""

from typing import Any

import typer

from app.admin import edge, store
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.db import Connection
from app.quotas import usage as ledger
from app.tenants import tenancy

queue = typer.Typer(help="Watch, pause and resume queues.", no_args_is_help=True)
usage = typer.Typer(help="What tenants have used.", no_args_is_help=True)


@queue.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show what waits and what runs, for each tenant."""
    columns = ("slug", "queue", "status", "queue_paused", "waiting", "running", "running_limit")
    show_list(edge.as_admin(store.queues_any_tenant), columns, as_json=as_json)


@queue.command()
def pause(slug: Slug, *, as_json: AsJson = False) -> None:
    """Start none of the tenant's tasks; its calls are answered."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        return tenancy.describe(await tenancy.pause_queue(connection, edge.operator(), tenant.id))

    show(edge.as_admin(work), as_json=as_json)


@queue.command()
def resume(slug: Slug, *, as_json: AsJson = False) -> None:
    """End a pause."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        return tenancy.describe(await tenancy.resume_queue(connection, edge.operator(), tenant.id))

    show(edge.as_admin(work), as_json=as_json)


@usage.command("show")
def show_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's tasks of this day and month (UTC) beside its quotas."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        (day_used, month_used), limits = await ledger.used(connection, tenant.id), tenancy.limits_of(tenant)
        day = {"used": day_used, "limit": limits.tasks_per_day}
        month = {"used": month_used, "limit": limits.tasks_per_month}
        return {"tenant_id": str(tenant.id), "slug": slug, "tasks_per_day": day, "tasks_per_month": month}

    show(edge.as_admin(work), as_json=as_json)
