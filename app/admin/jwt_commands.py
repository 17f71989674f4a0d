"""The commands on the keys of tokens."""

from typing import Annotated

import typer

from app.admin import edge
from app.admin.output import AsJson, show
from app.core import secrets
from app.core.config import get_settings

app = typer.Typer(help="Rotate the keys that sign tokens.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Rotate the keys that sign tokens."""


@app.command()
def rotate(
    *,
    compromised: Annotated[bool, typer.Option(help="Drop the old keys now; every token is dead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign with the spare key, and publish a new spare; tokens of the old key hold until their end."""
    try:
        known = secrets.rotate_jwt(get_settings().secrets_file, is_compromised=compromised)
    except secrets.SpareTooNew as refusal:
        raise edge.Refused(str(refusal)) from None
    show({key.state: key.kid for key in reversed(known.jwt_keys)}, as_json=as_json)
