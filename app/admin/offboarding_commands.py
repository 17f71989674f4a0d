"""Define the command that deletes a tenant."""

import asyncio
from typing import Annotated

import typer

from app.admin import cli_runtime
from app.admin.offboarding import offboard
from app.admin.output import AsJson, show
from app.admin.tenant_commands import Slug
from app.core import redis as redis_connections
from app.core.config import get_settings
from app.db import Database


def delete(
    slug: Slug,
    confirm: Annotated[
        str | None, typer.Option("--confirm", help="The slug again. Without it, the command asks for it.")
    ] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Delete a tenant with its tasks, results, deliveries, keys, members, secrets, usage and audit log."""
    again = confirm if confirm is not None else typer.prompt(f"This erases all data of {slug}. Type its slug to go on")
    if again != slug:
        raise typer.BadParameter("the slug does not match. Nothing was erased", param_hint="--confirm")
    show({"slug": slug, "erased": asyncio.run(_offboard(slug))}, as_json=as_json)


async def _offboard(slug: str) -> dict[str, int]:
    database = Database("tq_admin", size=1)
    redis = redis_connections.connect(get_settings().redis_url)
    try:
        return await offboard(database, redis, cli_runtime.operator(), slug)
    finally:
        await redis.aclose()
        await database.close()
