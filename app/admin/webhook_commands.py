"""Define the commands for webhook endpoints."""

from typing import Annotated, Any
from uuid import UUID

import typer

from app.admin import cli_runtime
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.db import Database
from app.tenants import tenancy
from app.webhooks.endpoints import changes, store

app = typer.Typer(help="Watch and switch webhook endpoints.", no_args_is_help=True)

EndpointId = Annotated[UUID, typer.Argument(help="The endpoint's id.")]


@app.command("list")
def list_(
    slug: Annotated[str | None, typer.Option("--tenant", help="Only endpoints of the tenant with this slug.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the endpoints of every tenant, with those that fail or are disabled."""
    columns = ("slug", "endpoint_id", "url", "enabled", "disabled_by", "disabled_at", "failing_since")
    found = cli_runtime.as_admin(lambda connection: store.list_any_tenant(connection, slug))
    shown = [{name: value if isinstance(value, bool) else _text(value) for name, value in row.items()} for row in found]
    show_list(shown, columns, as_json=as_json)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


@app.command()
def disable(slug: Slug, endpoint_id: EndpointId, *, as_json: AsJson = False) -> None:
    """Send nothing to an endpoint. Its events become SKIPPED, and the tenant cannot enable it."""
    _switch(slug, endpoint_id, is_enabled=False, as_json=as_json)


@app.command()
def enable(slug: Slug, endpoint_id: EndpointId, *, as_json: AsJson = False) -> None:
    """Send to an endpoint again, whatever it was disabled by."""
    _switch(slug, endpoint_id, is_enabled=True, as_json=as_json)


def _switch(slug: str, endpoint_id: UUID, *, is_enabled: bool, as_json: bool) -> None:
    actor = cli_runtime.operator()

    async def work(database: Database) -> dict[str, Any]:
        async with database.transaction() as connection:
            tenant = await tenancy.find(connection, slug)
        # In a transaction of the tenant: an event may follow, and is written for the transaction's tenants only.
        async with database.transaction(tenant.id) as connection:
            changed = await changes.switch(connection, actor, tenant.id, endpoint_id, is_enabled=is_enabled)
        return changed.model_dump(mode="json", include={"endpoint_id", "url", "enabled", "disabled_by"})

    show(cli_runtime.with_database(work), as_json=as_json)
