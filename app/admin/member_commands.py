"""The commands on members."""

from typing import Annotated, Any

import typer

from app.accounts import member_store, members, passwords
from app.accounts.schemas import Role
from app.admin import edge
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.core import ids
from app.db import Connection
from app.tenants import tenancy

app = typer.Typer(help="Add and remove the people who may log in.", no_args_is_help=True)

_MOST = 1_000


@app.command()
def add(
    slug: Slug,
    email: str,
    role: Annotated[Role, typer.Option(help="What the member may do.")] = "viewer",
    *,
    as_json: AsJson = False,
) -> None:
    """Add a member; the initial password is shown this once."""
    password = passwords.generate()

    async def work(connection: Connection) -> dict[str, Any]:
        tenant = await tenancy.find(connection, slug)
        hashed = passwords.hash_now(password)
        member = await members.add(connection, edge.operator(), tenant.id, email=email, role=role, password_hash=hashed)
        return {**members.describe(member), "initial_password": password}

    show(edge.as_admin(work), as_json=as_json)


@app.command("list")
def list_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's members."""

    async def work(connection: Connection) -> list[dict[str, Any]]:
        tenant = await tenancy.find(connection, slug)
        found = await member_store.page(connection, tenant.id, before=ids.LAST, limit=_MOST)
        return [members.describe(member) for member in found]

    show_list(edge.as_admin(work), ("email", "role", "created_at", "disabled_at", "member_id"), as_json=as_json)


@app.command()
def remove(slug: Slug, email: str, *, as_json: AsJson = False) -> None:
    """Remove a member; its tokens are dead within 2 seconds."""

    async def work(connection: Connection) -> None:
        tenant = await tenancy.find(connection, slug)
        member = await members.find_by_email(connection, tenant.id, email)
        await members.remove(connection, edge.operator(), tenant.id, member.id)

    edge.as_admin(work)
    show({"email": email, "removed": True}, as_json=as_json)
