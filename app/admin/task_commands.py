"""Define the command that shows a tenant's task, for support. The operator sees no payload, no result and no error."""

from typing import Annotated, Any
from uuid import UUID

import typer

from app.admin import cli_runtime, store
from app.admin.output import AsJson, as_plain, show, show_list
from app.admin.tenant_commands import Slug
from app.core import ids
from app.core.errors import NotFound
from app.db import Connection
from app.tenants.store import TenantRecord

app = typer.Typer(help="Look up tasks of tenants.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``task`` a group, although it has one command."""


@app.command("show")
def show_(
    slug: Slug, task_id: Annotated[str, typer.Argument(help="The task's id.")], *, as_json: AsJson = False
) -> None:
    """Show a task with its attempts and deliveries, without its payload, result and errors."""
    wanted = ids.read(task_id)
    found = cli_runtime.for_tenant(slug, lambda connection, tenant: _read(connection, tenant, wanted))
    if as_json:
        show(found, as_json=True)
        return
    parts = {name: found.pop(name) for name in ("attempts", "deliveries")}
    show({name: value for name, value in found.items() if value is not None}, as_json=False)
    show_list(parts["attempts"], ("attempt", "status", "worker", "started_at", "finished_at"), as_json=False)
    show_list(parts["deliveries"], ("delivery_id", "type", "status", "attempt_count"), as_json=False)


async def _read(connection: Connection, tenant: TenantRecord, task_id: UUID | None) -> dict[str, Any]:
    row = await store.task(connection, tenant.id, task_id) if task_id else None
    if row is None or task_id is None:
        raise NotFound("The tenant has no such task. A task is erased after the tenant's retention_days.")
    return {
        **as_plain(row),
        "queue_paused": tenant.queue_paused or tenant.queue_paused_by_tenant,
        "attempts": [as_plain(one) for one in await store.attempts(connection, tenant.id, task_id)],
        "deliveries": [as_plain(one) for one in await store.deliveries_of(connection, tenant.id, task_id)],
    }
