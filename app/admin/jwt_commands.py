"""Define the commands for the keys that sign tokens."""

from typing import Annotated

import typer

from app.admin import cli_runtime
from app.admin.output import AsJson, show
from app.audit import log as audit
from app.core import secrets
from app.core.config import get_settings
from app.core.secrets import Secrets
from app.db import Connection

app = typer.Typer(help="Rotate the keys that sign tokens.", no_args_is_help=True)


# With a callback, Typer keeps "rotate" as a subcommand although it is the only command.
@app.callback()
def group() -> None:
    """Rotate the keys that sign tokens."""


@app.command()
def rotate(
    *,
    compromised: Annotated[
        bool, typer.Option(help="Remove the old keys now, which makes every token invalid.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Sign with the spare key, and publish a new spare. Tokens of the old key stay valid until they expire."""

    # The file is written before the audit event commits: an event without a rotation would be worse than the reverse.
    async def work(connection: Connection) -> Secrets:
        known = secrets.rotate_jwt(get_settings().secrets_file, is_compromised=compromised)
        detail = {"compromised": compromised}
        await audit.record(connection, None, cli_runtime.operator(), "jwt_keys.rotated", known.jwt_keys[0].kid, detail)
        return known

    try:
        known = cli_runtime.as_admin(work)
    except secrets.SpareTooNew as refusal:
        raise cli_runtime.CommandRefused(str(refusal)) from None
    show({key.state: key.kid for key in reversed(known.jwt_keys)}, as_json=as_json)
