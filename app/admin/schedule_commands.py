"""Define the commands for schedules."""

from typing import Annotated, Any
from uuid import UUID

import typer

from app.admin import cli_runtime
from app.admin.output import AsJson, show, show_list
from app.admin.tenant_commands import Slug
from app.db import Connection, Database
from app.schedules import changes, operator_store
from app.tenants import tenancy

app = typer.Typer(help="Watch, pause and resume schedules.", no_args_is_help=True)

ScheduleId = Annotated[UUID, typer.Argument(help="The schedule's id.")]
_SHOWN = {"schedule_id", "name", "description", "task", "paused", "paused_by", "pause_note", "next_fire_at"}


@app.command("list")
def list_(
    slug: Annotated[str | None, typer.Option("--tenant", help="Only schedules of the tenant with this slug.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the schedules of every tenant, those first that fire next."""
    columns = ("slug", "schedule_id", "name", "times", "task", "next_fire_at", "paused_by", "last_outcome")
    found = cli_runtime.as_admin(lambda connection: operator_store.list_any_tenant(connection, slug))
    shown = [{name: None if value is None else str(value) for name, value in row.items()} for row in found]
    show_list(shown, columns, as_json=as_json)


@app.command("show")
def show_(slug: Slug, schedule_id: ScheduleId, *, as_json: AsJson = False) -> None:
    """Show a schedule with its latest fires, without the payload."""

    async def work(connection: Connection, tenant_id: UUID) -> dict[str, Any]:
        return await changes.for_operator(connection, tenant_id, schedule_id)

    show(_with_tenant(slug, work), as_json=as_json)


@app.command()
def pause(
    slug: Slug,
    schedule_id: ScheduleId,
    note: Annotated[str | None, typer.Option(help="Why: the tenant sees it.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Pause a schedule. The tenant can resume it."""
    actor = cli_runtime.operator()

    async def work(connection: Connection, tenant_id: UUID) -> dict[str, Any]:
        paused = await changes.pause(connection, actor, tenant_id, schedule_id, note)
        return paused.model_dump(mode="json", include=_SHOWN)

    show(_with_tenant(slug, work), as_json=as_json)


@app.command()
def resume(slug: Slug, schedule_id: ScheduleId, *, as_json: AsJson = False) -> None:
    """Let a paused schedule fire again, from now on."""
    actor = cli_runtime.operator()

    async def work(connection: Connection, tenant_id: UUID) -> dict[str, Any]:
        resumed = await changes.resume(connection, actor, tenant_id, schedule_id)
        return resumed.model_dump(mode="json", include=_SHOWN)

    show(_with_tenant(slug, work), as_json=as_json)


def _with_tenant(slug: str, work: Any) -> dict[str, Any]:
    async def run(database: Database) -> dict[str, Any]:
        async with database.transaction() as connection:
            tenant = await tenancy.find(connection, slug)
        async with database.transaction(tenant.id) as connection:
            found: dict[str, Any] = await work(connection, tenant.id)
            return found

    return cli_runtime.with_database(run)
