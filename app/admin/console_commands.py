"""Define the commands for browsers: links to the console and to the operator's pages, and the end of their sessions."""

from typing import Annotated, Any

import typer

from app.accounts import operator_sessions, sessions
from app.accounts.schemas import Role
from app.admin import cli_runtime
from app.admin.output import AsJson, show
from app.admin.stack import api_url, operator_address
from app.audit import log as audit
from app.audit.log import Actor
from app.db import Connection
from app.tenants.store import TenantRecord


def console_link(
    slug: Annotated[str | None, typer.Argument(help="The tenant's short name.")] = None,
    role: Annotated[Role, typer.Option(help="What the session may do.")] = "owner",
    url: Annotated[
        str | None,
        typer.Option(help="Where the API, or the operator's process, is. Default: that of the data directory's stack."),
    ] = None,
    *,
    for_operator: Annotated[
        bool, typer.Option("--operator", help="A link to the operator's pages, instead of a tenant's console.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make a link that signs one browser in, once and within five minutes."""
    actor = cli_runtime.operator()
    if for_operator is (slug is not None):
        raise cli_runtime.CommandRefused("Name the tenant whose console you want, or say --operator.")
    made = _to_operator(actor, url) if slug is None else _to_tenant(actor, slug, role, url)
    show(made, as_json=as_json)


def _to_tenant(actor: Actor, slug: str, role: Role, url: str | None) -> dict[str, Any]:
    async def work(connection: Connection, tenant: TenantRecord) -> str:
        await audit.record(connection, tenant.id, actor, "portal_link.made", tenant.slug, {"role": role})
        return await sessions.make_link(connection, actor, tenant.id, role=role)

    secret = cli_runtime.for_tenant(slug, work)
    base = (url or api_url()).rstrip("/")
    return {"url": f"{base}/console/link/{secret}", "role": role, "seconds": sessions.LINK_SECONDS}


def _to_operator(actor: Actor, url: str | None) -> dict[str, Any]:
    secret = cli_runtime.as_admin(lambda connection: operator_sessions.make_link(connection, actor))
    base = (url or operator_address()).rstrip("/")
    return {"url": f"{base}/link/{secret}", "role": "operator", "seconds": operator_sessions.LINK_SECONDS}


def operator_sign_out(*, as_json: AsJson = False) -> None:
    """End every session of the operator's pages, of every operator, and make unused links to them invalid."""
    actor = cli_runtime.operator()
    ended = cli_runtime.as_admin(lambda connection: operator_sessions.end_all(connection, actor))
    show({"sessions_ended": ended}, as_json=as_json)
