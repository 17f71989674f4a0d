"""Define the commands for the whole service, and put the groups of the other commands together."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app.admin import (
    cli_runtime,
    jwt_commands,
    key_commands,
    member_commands,
    offboarding_commands,
    queue_commands,
    setup,
    stack,
    store,
    tenant_commands,
)
from app.admin import (
    doctor as examination,
)
from app.admin.output import AsJson, show
from app.core import crypto
from app.core.config import get_settings
from app.tenants import kek_rotation

app = typer.Typer(
    help="Operate the task queue. Exit codes: 0 done, 2 usage, 3 not found, 4 exists, 5 refused, 6 no database.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
# Defined in another module than the other commands of tenants, because it also needs Redis.
tenant_commands.app.command("delete")(offboarding_commands.delete)
app.add_typer(tenant_commands.app, name="tenant")
app.add_typer(key_commands.app, name="key")
app.add_typer(member_commands.app, name="member")
app.add_typer(jwt_commands.app, name="jwt")
app.add_typer(queue_commands.queue, name="queue")
app.add_typer(queue_commands.usage, name="usage")


@app.callback()
def choose_stack(
    data_dir: Annotated[
        Path, typer.Option(envvar="DATA_DIR", help="Data directory of the stack. Ignored when DATABASE_URL is set.")
    ] = Path(".data"),
) -> None:
    """Choose the stack before any setting is read."""
    stack.choose(data_dir)


@app.command("rotate-kek")
def rotate_kek(
    *,
    drop: Annotated[bool, typer.Option("--drop-old", help="Afterwards remove the keys that no row needs.")] = False,
    as_json: AsJson = False,
) -> None:
    """Seal the tenants' secrets under a new key. Back up the secrets file afterwards."""
    actor = cli_runtime.operator()
    try:
        rotated = cli_runtime.with_database(lambda database: kek_rotation.rotate(database, actor, is_to_drop=drop))
        show(rotated, as_json=as_json)
    except crypto.SealBroken as broken:
        message = f"{broken} cannot be opened with any key of the secrets file. Restore the file from a backup."
        raise cli_runtime.CommandRefused(message) from None


@app.command()
def bootstrap(*, as_json: AsJson = False) -> None:
    """Create the secrets file, if the database is new, and the login roles. Safe to repeat."""
    is_new = cli_runtime.as_owner(setup.bootstrap)
    show({"secrets_file": str(get_settings().secrets_file), "created": is_new}, as_json=as_json)


@app.command()
def migrate(*, as_json: AsJson = False) -> None:
    """Bring the schema to the newest revision. Safe to repeat, and to run twice at the same time."""
    setup.migrate()
    # A database that was off for long or was restored from a backup may lack months, also when no revision is new.
    cli_runtime.as_owner(setup.keep_months)
    show({"schema": setup.head()}, as_json=as_json)


@app.command()
def doctor(
    *,
    accept_timeline: Annotated[
        bool,
        typer.Option("--accept-timeline", help="Use the primary that answers, although a newer timeline was seen."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Check each Postgres host, Redis and the schema, and show what is wrong. The exit code is 5 when something is."""
    if accept_timeline:
        show(examination.accept_and_record(), as_json=as_json)
        return
    found = asyncio.run(examination.examine())
    # Shown in any case: a table of what is right helps to find what is wrong.
    show(found, as_json=as_json)
    if found["faults"]:
        raise cli_runtime.CommandRefused("\n".join(found["faults"]))


@app.command()
def status(*, as_json: AsJson = False) -> None:
    """Show the database, its schema, the live workers and the waiting tasks."""
    found = cli_runtime.as_admin(store.status_any_tenant)
    show({**found, "schema_expected": setup.head()}, as_json=as_json)
