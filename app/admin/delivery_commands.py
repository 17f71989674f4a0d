"""Define the commands for deliveries of webhooks."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import typer

from app.admin import cli_runtime, delivery_store
from app.admin.output import AsJson, as_plain, show, show_list
from app.admin.tenant_commands import Slug
from app.audit import log as audit
from app.core import ids
from app.core.errors import NotFound
from app.db import Connection, Database
from app.tenants import tenancy
from app.webhooks.history import store
from app.webhooks.history.reading import REFUSALS

app = typer.Typer(help="See and resend deliveries of webhooks.", no_args_is_help=True)

_COLUMNS: Final = (
    "delivery_id", "endpoint_id", "url", "type", "status", "attempt_count", "last_status", "next_attempt_at",
    "created_at",
)  # fmt: skip


@app.command("list")
def list_(
    slug: Slug,
    status: Annotated[str | None, typer.Option(help="PENDING, DELIVERED, FAILED or SKIPPED.")] = None,
    endpoint: Annotated[str | None, typer.Option(help="Only deliveries to the endpoint with this id.")] = None,
    hours: Annotated[int, typer.Option(help="Only of events of so many hours.", min=1, max=8_760)] = 24,
    limit: Annotated[int, typer.Option(help="The most deliveries.", min=1, max=1_000)] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show the latest deliveries of a tenant, newest first. Of URLs the query is left out."""
    since = ids.first_id_at((datetime.now(UTC) - timedelta(hours=hours)).timestamp())
    endpoint_id = None if endpoint is None else _read_id(endpoint, "endpoint")
    found = cli_runtime.for_tenant(
        slug,
        lambda connection, tenant: delivery_store.latest(
            connection, tenant.id, since=since, status=status, endpoint_id=endpoint_id, limit=limit
        ),
    )
    show_list([as_plain(dict(row)) for row in found], _COLUMNS, as_json=as_json)


@app.command()
def resend(slug: Slug, delivery_id: str, *, as_json: AsJson = False) -> None:
    """Send a delivery again, with the same webhook-id. All attempts of the schedule follow."""
    actor, wanted = cli_runtime.operator(), _read_id(delivery_id, "delivery")

    async def work(database: Database) -> str | None:
        async with database.transaction() as connection:
            tenant = await tenancy.find(connection, slug)
        # A transaction of the tenant: the function sends deliveries of its transaction's tenants only.
        async with database.transaction(tenant.id) as connection:
            outcome = (await store.resend(connection, tenant.id, [wanted])).get(wanted)
            if outcome == "sent":
                await _record(connection, tenant.id, actor, wanted)
            return outcome

    outcome = cli_runtime.with_database(work)
    if outcome is None:
        raise _unknown("delivery")
    if outcome != "sent":
        raise cli_runtime.CommandRefused(REFUSALS[outcome])
    show({"delivery_id": str(wanted), "status": "PENDING"}, as_json=as_json)


async def _record(connection: Connection, tenant_id: UUID, actor: audit.Actor, delivery_id: UUID) -> None:
    await audit.record(connection, tenant_id, actor, "delivery.resent", str(delivery_id))


def _read_id(text: str, kind: str) -> UUID:
    found = ids.read(text)
    if found is None:
        raise _unknown(kind)
    return found


def _unknown(kind: str) -> NotFound:
    return NotFound(f"The tenant has no such {kind}.")
