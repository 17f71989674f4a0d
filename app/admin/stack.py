"""Choose the stack for the commands: from the environment or .env, else from a data directory."""

import json
import os
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import typer
from dotenv import dotenv_values

from app.core.config import get_settings

# Typer's exit code for wrong usage.
_USAGE: Final = 2
_CHECKOUT: Final = Path(__file__).parents[2]
# The wheel has this module in a package of its own.
_IS_CHECKOUT: Final = __name__.partition(".")[0] == "app"
_NEEDED: Final = ("DATABASE_URL", "REDIS_URL")


class _Chosen:
    """The stack of this process."""

    source: str | None = None


def choose(data_dir: Path | None, *, is_silent: bool = False) -> None:
    """Complete the settings from ``stack.json`` in the directory. Exit with code 2 when settings are still missing.

    Without a directory it is ``.data`` in the checkout, as for scripts/up. Where the product is installed, or the
    environment names the servers, it is in the working directory.
    """
    if "--help" in sys.argv:
        return  # help must work without a stack
    # The settings read .env later. What it names must not be replaced from stack.json.
    named = {**dotenv_values(".env"), **os.environ}
    if data_dir is None:
        data_dir = _CHECKOUT / ".data" if _IS_CHECKOUT and "DATABASE_URL" not in named else Path(".data")
    found = {} if "DATABASE_URL" in named else _read(data_dir / "stack.json")
    _Chosen.source = f"the stack in {data_dir.absolute()}" if found else "DATABASE_URL"
    defaults = {
        **found,
        "SECRETS_FILE": str(data_dir / "secrets.json"),
        "CLIENTS_FOLDER": str(data_dir / "clients"),
    }
    os.environ.update({name: value for name, value in defaults.items() if name not in named})
    if not is_silent and not found and not any(named.get(name) for name in _NEEDED):
        _end(_nothing_in(data_dir))
    try:
        get_settings()
    except SystemExit as unusable:
        _end(str(unusable.code))


def _nothing_in(data_dir: Path) -> str:
    return (
        f"There is no stack in {data_dir.absolute()}. Start one with scripts/up, name the folder of another one with"
        " --data-dir, or set DATABASE_URL, REDIS_URL and SECRETS_FILE."
    )


def _end(line: str) -> None:
    typer.echo(line, err=True)
    raise SystemExit(_USAGE)


def name() -> str:
    """Return the stack that the command uses, for a message: its folder, and its database without the password."""
    if _Chosen.source is None:
        return ""
    url = urlsplit(get_settings().database_url)
    return f"{_Chosen.source}, database {url.netloc.rpartition('@')[2]}{url.path}"


def api_url() -> str:
    """Return where the API of the chosen stack is; the usual place if no stack says so."""
    return os.environ.get("API_URL") or "http://127.0.0.1:8000"


def operator_address() -> str:
    """Return where the operator's pages of the chosen stack are; the usual place if no stack says so."""
    return os.environ.get("OPERATOR_ADDRESS") or "http://127.0.0.1:8001"


def _read(path: Path) -> dict[str, str]:
    try:
        stack = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {
        name.upper(): stack[name]
        for name in ("database_url", "redis_url", "api_url", "operator_address")
        if isinstance(stack.get(name), str)
    }
