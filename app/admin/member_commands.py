"""Define the commands for members."""

from typing import Annotated

import typer

from app.accounts import members, passwords
from app.accounts.rows import MemberRow
from app.accounts.schemas import Role
from app.admin import cli_runtime
from app.admin.output import AsJson, show, show_change, show_list
from app.admin.tenant_commands import Slug
from app.core import ids
from app.db import Connection
from app.tenants.store import TenantRecord

app = typer.Typer(help="Add, change and remove the people who may log in.", no_args_is_help=True)


@app.command()
def add(
    slug: Slug,
    email: str,
    role: Annotated[Role, typer.Option(help="What the member may do.")] = "viewer",
    *,
    as_json: AsJson = False,
) -> None:
    """Add a member. The initial password, or the code for a person who is known already, is shown only now."""
    actor, password = cli_runtime.operator(), passwords.generate()
    hashed = passwords.hash_now(password)
    added = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: members.add(
            connection, actor, tenant.id, email=email, role=role, password_hash=hashed
        ),
    )
    once = {"initial_password": None if added.invitation else password, "invitation": added.invitation}
    show({**members.describe(added.member), **once}, as_json=as_json)


@app.command("list")
def list_(slug: Slug, *, as_json: AsJson = False) -> None:
    """Show a tenant's members."""
    found = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: members.page(connection, tenant.id, before=ids.LAST, limit=members.MAX_MEMBERS),
    )
    columns = ("email", "role", "created_at", "disabled_at", "member_id")
    show_list([members.describe(member) for member in found], columns, as_json=as_json)


@app.command("role")
def set_role(
    slug: Slug,
    email: str,
    role: Annotated[Role, typer.Argument(help="What the member may do.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Give a member another role. Its tokens have the rights of the new one within 2 seconds."""
    actor = cli_runtime.operator()

    async def work(connection: Connection, tenant: TenantRecord) -> tuple[MemberRow, MemberRow]:
        before = await members.find_by_email(connection, tenant.id, email)
        return before, await members.change(connection, actor, tenant.id, before.id, role=role)

    before, after = cli_runtime.for_tenant(slug, work)
    show_change(after.email, members.describe(before), members.describe(after), as_json=as_json)


@app.command()
def reset(slug: Slug, email: str, *, as_json: AsJson = False) -> None:
    """Give a member a new initial password, which is shown only now. All its tokens and sessions end, in every tenant.

    The member must choose another password at its next sign-in to the console.
    """
    actor, password = cli_runtime.operator(), passwords.generate()
    hashed = passwords.hash_now(password)
    member = cli_runtime.for_tenant(
        slug, lambda connection, tenant: members.reset(connection, actor, tenant.id, email=email, password_hash=hashed)
    )
    show({**members.describe(member), "initial_password": password}, as_json=as_json)


@app.command()
def remove(slug: Slug, email: str, *, as_json: AsJson = False) -> None:
    """Remove a member. Its tokens are refused within 2 seconds."""
    actor = cli_runtime.operator()

    async def work(connection: Connection, tenant: TenantRecord) -> None:
        member = await members.find_by_email(connection, tenant.id, email)
        await members.remove(connection, actor, tenant.id, member.id)

    cli_runtime.for_tenant(slug, work)
    show({"email": email, "removed": True}, as_json=as_json)
