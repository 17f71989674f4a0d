"""Define the commands for the whole service, and put the groups of the other commands together."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app.admin import (
    cli_runtime,
    client_commands,
    completion,
    console_commands,
    delivery_commands,
    examples,
    jwt_commands,
    key_commands,
    member_commands,
    offboarding_commands,
    queue_commands,
    schedule_commands,
    setup,
    stack,
    store,
    task_commands,
    tenant_commands,
    webhook_commands,
    worker_commands,
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
    add_completion=False,
    pretty_exceptions_enable=False,
)
# Defined in another module than the other commands of tenants, because it also needs Redis.
tenant_commands.app.command("delete")(offboarding_commands.delete)
app.command("console-link")(console_commands.console_link)
app.command("operator-sign-out")(console_commands.operator_sign_out)
app.command("completion")(completion.completion)
app.add_typer(client_commands.app, name="clients")
app.add_typer(tenant_commands.app, name="tenant")
app.add_typer(key_commands.app, name="key")
app.add_typer(member_commands.app, name="member")
app.add_typer(jwt_commands.app, name="jwt")
app.add_typer(queue_commands.queue, name="queue")
app.add_typer(queue_commands.usage, name="usage")
app.add_typer(task_commands.app, name="task")
app.add_typer(worker_commands.app, name="worker")
app.add_typer(schedule_commands.app, name="schedule")
app.add_typer(delivery_commands.app, name="delivery")
app.add_typer(webhook_commands.app, name="webhook")


@app.callback()
def choose_stack(
    data_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="DATA_DIR",
            help=(
                "Data directory of the stack. Default: .data in the checkout, or in the working directory where the"
                " product is installed. Ignored when DATABASE_URL is set."
            ),
        ),
    ] = None,
) -> None:
    """Choose the stack before any setting is read."""
    # Settings are read once in a process, so the stack must be chosen before.
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
    """Check servers, schema, settings, clocks, connections and secrets files. The exit code is 5 after a fault."""
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
    """Show which stack this is, its database and schema, the live workers and the waiting tasks."""
    found = cli_runtime.as_admin(store.status_any_tenant)
    schemas = {"schema": found.pop("schema", None), "schema_expected": setup.head()}
    show({"stack": stack.name(), **schemas, **found}, as_json=as_json)


# After the last command, so that none is left out.
examples.add(app)
