"""Define the commands for queues and usage."""

from typing import Any

import typer

from app.admin import cli_runtime, store, tenant_commands
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.db import Connection
from app.quotas import usage as ledger
from app.tenants import plans, tenancy
from app.tenants.store import TenantRecord

queue = typer.Typer(help="Watch, pause and resume queues.", no_args_is_help=True)
usage = typer.Typer(help="Show what tenants have used.", no_args_is_help=True)


@queue.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show the waiting and running tasks of each tenant."""
    pauses = "queue_paused", "queue_paused_by_tenant"
    columns = ("slug", "queue", "status", *pauses, "waiting", "running", "running_limit")
    found = cli_runtime.as_admin(store.queues_any_tenant)
    show_list([{name: row[name] for name in columns} for row in found], columns, as_json=as_json)


@queue.command()
def pause(slug: Slug, *, as_json: AsJson = False) -> None:
    """Start none of the tenant's tasks. Its calls are still answered, and it cannot end this pause."""
    tenant_commands.change(slug, tenancy.pause_queue, as_json=as_json)


@queue.command()
def resume(slug: Slug, *, as_json: AsJson = False) -> None:
    """End the pause by ``pause``. A pause that the tenant has made itself stays."""
    tenant_commands.change(slug, tenancy.resume_queue, as_json=as_json)


@usage.command("show")
def show_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's tasks of this day and month (UTC) with its quotas."""

    async def work(connection: Connection, tenant: TenantRecord) -> dict[str, Any]:
        (day_used, month_used), limits = await ledger.used(connection, tenant.id), tenancy.limits_of(tenant)
        day = {"used": day_used, "limit": plans.or_none(limits.tasks_per_day)}
        month = {"used": month_used, "limit": plans.or_none(limits.tasks_per_month)}
        return {"tenant_id": str(tenant.id), "slug": slug, "tasks_per_day": day, "tasks_per_month": month}

    show(cli_runtime.for_tenant(slug, work), as_json=as_json)


@usage.command("list")
def list_usage(*, as_json: AsJson = False) -> None:
    """Show the tasks of this day and month (UTC) of every tenant, those with the most tasks of the month first."""
    found = [_used(row) for row in cli_runtime.as_admin(store.usage_any_tenant)]
    rows = found if as_json else [{name: _or_unlimited(value) for name, value in row.items()} for row in found]
    show_list(rows, ("slug", "plan", "day", "day_limit", "month", "month_limit"), as_json=as_json)


def _used(row: dict[str, Any]) -> dict[str, Any]:
    limits = plans.effective(row["plan"], row.pop("limits"))
    return row | {
        "day_limit": plans.or_none(limits.tasks_per_day),
        "month_limit": plans.or_none(limits.tasks_per_month),
    }


def _or_unlimited(value: object) -> object:
    return "unlimited" if value is None else value
