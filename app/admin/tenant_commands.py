"""Define the commands for tenants."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import UUID

import typer

from app.accounts import revocation
from app.admin import cli_runtime, new_tenants
from app.admin.completion import slugs
from app.admin.output import AsJson, show, show_change, show_list
from app.audit.log import Actor
from app.core import suggestions
from app.core.secrets import get_secrets
from app.db import Connection
from app.tenants import plans, store, tenancy
from app.tenants.store import TenantRecord

app = typer.Typer(help="Make and change tenants.", no_args_is_help=True)

Slug = Annotated[str, typer.Argument(help="The tenant's short name.", autocompletion=slugs)]


@app.command()
def create(
    slug: Slug,
    name: Annotated[str, typer.Option(help="The tenant's name for people.")],
    plan: Annotated[plans.Plan, typer.Option()] = "free",
    *,
    as_json: AsJson = False,
) -> None:
    """Create a tenant with a first key and a webhook secret. Both are shown only now."""
    show(cli_runtime.as_admin(lambda connection: _create(connection, slug, name, plan)), as_json=as_json)


async def _create(connection: Connection, slug: str, name: str, plan: str) -> dict[str, Any]:
    actor, secrets = cli_runtime.operator(), get_secrets()
    made = await new_tenants.create(connection, actor, secrets, slug=slug, name=name, plan=plan)
    described = tenancy.describe(made.tenant)
    shown = {field: described[field] for field in ("tenant_id", "slug", "plan", "queue")}
    return {**shown, "api_key": made.api_key, "webhook_secret": made.webhook_secret}


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show every tenant."""
    tenants = cli_runtime.as_admin(store.list_any_tenant)
    columns = ("slug", "name", "plan", "status", "queue_paused", "queue_paused_by_tenant", "tenant_id", "created_at")
    show_list([tenancy.describe(tenant) for tenant in tenants], columns, as_json=as_json)


@app.command("show")
def show_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant with its effective limits."""
    tenant = cli_runtime.as_admin(lambda connection: tenancy.find(connection, slug))
    show(tenancy.describe(tenant), as_json=as_json)


@app.command()
def set_plan(slug: Slug, plan: plans.Plan, *, as_json: AsJson = False) -> None:
    """Change the plan. Running tasks go on, and overridden limits stay."""
    change(
        slug, lambda connection, actor, tenant_id: tenancy.set_plan(connection, actor, tenant_id, plan), as_json=as_json
    )


@app.command()
def set_limit(
    slug: Slug,
    changes: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE...", help="NAME=unlimited is no limit. NAME= removes an override."),
    ],
    *,
    as_json: AsJson = False,
) -> None:
    """Override limits of the plan."""
    wanted = dict(_parse(change) for change in changes)
    change(
        slug,
        lambda connection, actor, tenant_id: tenancy.set_limits(connection, actor, tenant_id, wanted),
        as_json=as_json,
    )


def _parse(change: str) -> tuple[str, int | None]:
    name, _, value = change.partition("=")
    if name not in plans.NAMES:
        meant = suggestions.did_you_mean(name, plans.NAMES)
        message = f"There is no limit {name!r}.{meant} The limits are: {', '.join(plans.NAMES)}."
        raise cli_runtime.CommandRefused(message)
    if not re.fullmatch(r"\w+=(\d{1,18}|unlimited)?", change, re.ASCII):
        message = f"{change!r} is no change. Write {name}=NUMBER, {name}=unlimited, or {name}= to remove the override."
        raise cli_runtime.CommandRefused(message)
    return name, plans.UNLIMITED if value == "unlimited" else int(value) if value else None


@app.command()
def rename(
    slug: Slug, name: Annotated[str, typer.Argument(help="The new name for people.")], *, as_json: AsJson = False
) -> None:
    """Change the name for people. The slug stays, because clients may use it."""
    change(
        slug, lambda connection, actor, tenant_id: tenancy.rename(connection, actor, tenant_id, name), as_json=as_json
    )


@app.command()
def suspend(slug: Slug, *, as_json: AsJson = False) -> None:
    """Refuse the tenant's calls and start none of its tasks."""
    change(slug, tenancy.suspend, as_json=as_json)


@app.command()
def resume(slug: Slug, *, as_json: AsJson = False) -> None:
    """End a suspension."""
    change(slug, tenancy.resume, as_json=as_json)


def change(slug: str, act: Callable[[Connection, Actor, UUID], Awaitable[TenantRecord]], *, as_json: bool) -> None:
    """Run an act on a tenant, and show what it has changed."""
    # Each change runs in one transaction with its audit event.
    actor = cli_runtime.operator()

    async def work(connection: Connection, tenant: TenantRecord) -> tuple[TenantRecord, TenantRecord]:
        return tenant, await act(connection, actor, tenant.id)

    before, after = cli_runtime.for_tenant(slug, work)
    show_change(slug, tenancy.describe(before), tenancy.describe(after), as_json=as_json)


@app.command()
def revoke_tokens(slug: Slug, *, as_json: AsJson = False) -> None:
    """Revoke every token of the tenant, of its keys and members. Every process refuses them within 2 seconds."""
    actor = cli_runtime.operator()
    cli_runtime.for_tenant(slug, lambda connection, tenant: revocation.revoke_all(connection, actor, tenant.id, slug))
    show({"slug": slug, "tokens_revoked": True}, as_json=as_json)
