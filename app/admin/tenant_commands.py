"""The commands on tenants."""

import re
from typing import Annotated, Any

import typer

from app.accounts import keys, revocation
from app.admin import edge
from app.admin.output import AsJson, show, show_list
from app.core.secrets import get_secrets
from app.db import Connection
from app.tenants import plans, store, tenancy

app = typer.Typer(help="Make and change tenants.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The tenant's short name.")]


@app.command()
def create(
    slug: Slug,
    name: Annotated[str, typer.Option(help="For people.")],
    plan: Annotated[plans.Plan, typer.Option()] = "free",
    *,
    as_json: AsJson = False,
) -> None:
    """Make a tenant with a first key and a webhook secret; both are shown this once."""
    show(edge.as_admin(lambda connection: _create(connection, slug, name, plan)), as_json=as_json)


async def _create(connection: Connection, slug: str, name: str, plan: str) -> dict[str, Any]:
    actor, secrets = edge.operator(), get_secrets()
    tenant, webhook_secret = await tenancy.create(connection, actor, slug=slug, name=name, plan=plan, secrets=secrets)
    _, api_key = await keys.issue(connection, actor, tenant.id, name="first", secrets=secrets)
    described = tenancy.describe(tenant)
    shown = {field: described[field] for field in ("tenant_id", "slug", "plan", "queue")}
    return {**shown, "api_key": api_key, "webhook_secret": webhook_secret}


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show every tenant."""
    tenants = edge.as_admin(store.list_any_tenant)
    columns = ("slug", "name", "plan", "status", "queue_paused", "tenant_id", "created_at")
    show_list([tenancy.describe(tenant) for tenant in tenants], columns, as_json=as_json)


@app.command("show")
def show_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant with the limits that hold."""
    tenant = edge.as_admin(lambda connection: tenancy.find(connection, slug))
    show(tenancy.describe(tenant), as_json=as_json)


@app.command()
def set_plan(slug: Slug, plan: plans.Plan, *, as_json: AsJson = False) -> None:
    """Change the plan; what runs goes on, overridden limits stay."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        return tenancy.describe(await tenancy.set_plan(connection, edge.operator(), tenant.id, plan))

    show(edge.as_admin(work), as_json=as_json)


@app.command()
def set_limit(
    slug: Slug,
    changes: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="NAME= removes an override.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Override limits of the plan."""
    wanted = dict(_parse(change) for change in changes)

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        return tenancy.describe(await tenancy.set_limits(connection, edge.operator(), tenant.id, wanted))

    show(edge.as_admin(work), as_json=as_json)


def _parse(change: str) -> tuple[str, int | None]:
    given = re.fullmatch(r"(\w+)=(-?\d{1,18})?", change, re.ASCII)
    if given is None:
        message = f"Each limit is given as name=number, or name= to remove it. The names are: {', '.join(plans.NAMES)}."
        raise edge.Refused(message)
    return given[1], int(given[2]) if given[2] else None


@app.command()
def suspend(slug: Slug, *, as_json: AsJson = False) -> None:
    """Refuse the tenant's calls and start none of its tasks."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        return tenancy.describe(await tenancy.suspend(connection, edge.operator(), tenant.id))

    show(edge.as_admin(work), as_json=as_json)


@app.command()
def resume(slug: Slug, *, as_json: AsJson = False) -> None:
    """End a suspension."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        return tenancy.describe(await tenancy.resume(connection, edge.operator(), tenant.id))

    show(edge.as_admin(work), as_json=as_json)


@app.command()
def revoke_tokens(slug: Slug, *, as_json: AsJson = False) -> None:
    """Kill every token of the tenant, of its keys and members; within 2 seconds no process takes one."""

    async def work(connection: Connection) -> None:
        tenant = await tenancy.find(connection, slug)
        await revocation.revoke_all(connection, edge.operator(), tenant.id, slug)

    edge.as_admin(work)
    show({"slug": slug, "tokens_revoked": True}, as_json=as_json)
