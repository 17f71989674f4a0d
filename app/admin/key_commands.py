"""The commands on API keys."""

from typing import Annotated, Any

import typer

from app.accounts import keys
from app.admin import edge
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.core.secrets import get_secrets
from app.db import Connection
from app.tenants import tenancy

app = typer.Typer(help="Issue, rotate and revoke API keys.", no_args_is_help=True)


@app.command()
def issue(
    slug: Slug,
    name: Annotated[str, typer.Option(help="For people.")],
    scopes: Annotated[str, typer.Option(help="Comma-separated.")] = ",".join(sorted(keys.ALL_SCOPES)),
    expires_days: Annotated[int | None, typer.Option(help="Default: it does not expire.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Issue a key; it is shown this once."""
    wanted = {scope.strip() for scope in scopes.split(",") if scope.strip()}
    show(edge.as_admin(lambda connection: _issue(connection, slug, name, wanted, expires_days)), as_json=as_json)


async def _issue(
    connection: Connection, slug: str, name: str, scopes: set[str], expires_days: int | None
) -> dict[str, Any]:
    tenant = await tenancy.find(connection, slug)
    key, text = await keys.issue(
        connection,
        edge.operator(),
        tenant.id,
        name=name,
        scopes=scopes,
        expires_days=expires_days,
        secrets=get_secrets(),
    )
    return {"key_id": key.key_id, "api_key": text, **keys.describe(key)}


@app.command("list")
def list_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's keys."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        tenant = await tenancy.find(connection, slug)
        return [keys.describe(key) for key in await keys.list_all(connection, tenant.id)]

    columns = ("key_id", "name", "scopes", "created_at", "expires_at", "revoked_at")
    show_list(edge.as_admin(work), columns, as_json=as_json)


@app.command()
def revoke(slug: Slug, key_id: str, *, as_json: AsJson = False) -> None:
    """Revoke a key; every process refuses it within 2 seconds."""

    async def work(connection: Connection) -> None:
        tenant = await tenancy.find(connection, slug)
        await keys.revoke(connection, edge.operator(), tenant.id, key_id)

    edge.as_admin(work)
    show({"key_id": key_id, "revoked": True}, as_json=as_json)


@app.command()
def rotate(
    slug: Slug,
    key_id: str,
    overlap: Annotated[int, typer.Option(help="Seconds for which the old key holds beside the new one.")] = 86_400,
    *,
    as_json: AsJson = False,
) -> None:
    """Replace a key by one of the same name, scopes and length of life; it is shown this once."""

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        key, text = await keys.rotate(
            connection, edge.operator(), tenant.id, key_id, overlap_seconds=overlap, secrets=get_secrets()
        )
        return {"key_id": key.key_id, "api_key": text, **keys.describe(key)}

    show(edge.as_admin(work), as_json=as_json)
