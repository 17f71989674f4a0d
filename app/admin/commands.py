"""The commands for the service as a whole, and the groups of the others."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app.admin import (
    doctor as examination,
)
from app.admin import (
    edge,
    jwt_commands,
    keks,
    key_commands,
    member_commands,
    offboarding_commands,
    queue_commands,
    setup,
    stack,
    store,
    tenant_commands,
)
from app.admin.output import AsJson, show
from app.core import crypto
from app.core.config import get_settings

app = typer.Typer(
    help="Operate the task queue. Exit codes: 0 done, 2 usage, 3 not found, 4 exists, 5 refused, 6 no database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
tenant_commands.app.command("delete")(offboarding_commands.delete)
app.add_typer(tenant_commands.app, name="tenant")
app.add_typer(key_commands.app, name="key")
app.add_typer(member_commands.app, name="member")
app.add_typer(jwt_commands.app, name="jwt")
app.add_typer(queue_commands.queue, name="queue")
app.add_typer(queue_commands.usage, name="usage")


@app.callback()
def choose_stack(
    data_dir: Annotated[Path, typer.Option(envvar="DATA_DIR", help="Of the stack, unless DATABASE_URL is set.")] = Path(
        ".data"
    ),
) -> None:
    """Choose the stack before any setting is read."""
    stack.choose(data_dir)


@app.command("rotate-kek")
def rotate_kek(
    *,
    drop: Annotated[bool, typer.Option("--drop-old", help="Then remove the keys that no row needs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Seal the tenants' secrets under a new key. Back up the secrets file after it."""
    try:
        show(asyncio.run(keks.rotate(edge.operator(), is_to_drop=drop)), as_json=as_json)
    except crypto.SealBroken as broken:
        message = f"{broken} cannot be opened with any key of the secrets file: restore the file from a backup"
        raise edge.Refused(message) from None


@app.command()
def bootstrap(*, as_json: AsJson = False) -> None:
    """Make the secrets file, where the database is new, and the login roles. Safe to repeat."""
    is_new = edge.as_owner(setup.bootstrap)
    show({"secrets_file": str(get_settings().secrets_file), "created": is_new}, as_json=as_json)


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the schema to the newest revision. Safe to repeat, and to run twice at once."""
    setup.migrate()
    # Months of a database that was off for long, or that was restored from a backup. Also where no revision is new.
    edge.as_owner(setup.keep_months)
    show({"schema": setup.head()}, as_json=as_json)


@app.command()
def doctor(
    *,
    accept_timeline: Annotated[
        bool, typer.Option("--accept-timeline", help="Use the primary that answers, though a newer one was seen.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Look at each Postgres host, at Redis and at the schema, and say what is wrong. Ends with 5 when something is."""
    if accept_timeline:
        accepted = asyncio.run(examination.accept_timeline())
        edge.as_admin(lambda connection: examination.record(connection, accepted))
        show(accepted, as_json=as_json)
        return
    found = asyncio.run(examination.examine())
    show(found, as_json=as_json)
    if found["faults"]:
        raise edge.Refused("\n".join(found["faults"]))


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show the database, its schema, the workers alive and what waits."""
    found = edge.as_admin(store.status_any_tenant)
    show({**found, "schema_expected": setup.head()}, as_json=as_json)
