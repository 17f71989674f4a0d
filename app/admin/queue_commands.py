"""Define the commands for queues and usage."""

from typing import Any

import typer

from app.admin import cli_runtime, store
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.db import Connection
from app.quotas import usage as ledger
from app.tenants import tenancy
from app.tenants.store import TenantRecord

queue = typer.Typer(help="Watch, pause and resume queues.", no_args_is_help=True)
usage = typer.Typer(help="Show what tenants have used.", no_args_is_help=True)


@queue.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show the waiting and running tasks of each tenant."""
    pauses = "queue_paused", "queue_paused_by_tenant"
    columns = ("slug", "queue", "status", *pauses, "waiting", "running", "running_limit")
    show_list(cli_runtime.as_admin(store.queues_any_tenant), columns, as_json=as_json)


@queue.command()
def pause(slug: Slug, *, as_json: AsJson = False) -> None:
    """Start none of the tenant's tasks. Its calls are still answered, and it cannot end this pause."""
    actor = cli_runtime.operator()
    paused = cli_runtime.for_tenant(slug, lambda connection, tenant: tenancy.pause_queue(connection, actor, tenant.id))
    show(tenancy.describe(paused), as_json=as_json)


@queue.command()
def resume(slug: Slug, *, as_json: AsJson = False) -> None:
    """End the pause by ``pause``. A pause that the tenant has made itself stays."""
    actor = cli_runtime.operator()
    resumed = cli_runtime.for_tenant(
        slug, lambda connection, tenant: tenancy.resume_queue(connection, actor, tenant.id)
    )
    show(tenancy.describe(resumed), as_json=as_json)


@usage.command("show")
def show_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's tasks of this day and month (UTC) with its quotas."""

    async def work(connection: Connection, tenant: TenantRecord) -> dict[str, Any]:
        (day_used, month_used), limits = await ledger.used(connection, tenant.id), tenancy.limits_of(tenant)
        day = {"used": day_used, "limit": limits.tasks_per_day}
        month = {"used": month_used, "limit": limits.tasks_per_month}
        return {"tenant_id": str(tenant.id), "slug": slug, "tasks_per_day": day, "tasks_per_month": month}

    show(cli_runtime.for_tenant(slug, work), as_json=as_json)
