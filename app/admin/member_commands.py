"""Define the commands for members."""

from typing import Annotated

import typer

from app.accounts import members, passwords
from app.accounts.schemas import Role
from app.admin import cli_runtime
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.core import ids
from app.db import Connection
from app.tenants.store import TenantRecord

app = typer.Typer(help="Add and remove the people who may log in.", no_args_is_help=True)


@app.command()
def add(
    slug: Slug,
    email: str,
    role: Annotated[Role, typer.Option(help="What the member may do.")] = "viewer",
    *,
    as_json: AsJson = False,
) -> None:
    """Add a member. The initial password is shown only now."""
    actor, password = cli_runtime.operator(), passwords.generate()
    hashed = passwords.hash_now(password)
    member = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: members.add(
            connection, actor, tenant.id, email=email, role=role, password_hash=hashed
        ),
    )
    show({**members.describe(member), "initial_password": password}, as_json=as_json)


@app.command("list")
def list_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's members."""
    found = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: members.page(connection, tenant.id, before=ids.LAST, limit=members.MAX_MEMBERS),
    )
    columns = ("email", "role", "created_at", "disabled_at", "member_id")
    show_list([members.describe(member) for member in found], columns, as_json=as_json)


@app.command()
def remove(slug: Slug, email: str, *, as_json: AsJson = False) -> None:
    """Remove a member. Its tokens are refused within 2 seconds."""
    actor = cli_runtime.operator()

    async def work(connection: Connection, tenant: TenantRecord) -> None:
        member = await members.find_by_email(connection, tenant.id, email)
        await members.remove(connection, actor, tenant.id, member.id)

    cli_runtime.for_tenant(slug, work)
    show({"email": email, "removed": True}, as_json=as_json)
