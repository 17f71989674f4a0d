"""Choose the stack for the commands: from the environment or .env, else from a data directory."""

import json
import os
import sys
from pathlib import Path

import typer
from dotenv import dotenv_values

from app.core.config import get_settings

# Typer's exit code for wrong usage.
_USAGE = 2


def choose(data_dir: Path) -> None:
    """Complete the settings from ``stack.json`` in the directory. Exit with code 2 when settings are still missing."""
    if "--help" in sys.argv:
        return  # help must work without a stack
    # The settings read .env later. What it names must not be replaced from stack.json.
    named = {**dotenv_values(".env"), **os.environ}
    if "DATABASE_URL" not in named:
        for name, value in _read(data_dir / "stack.json").items():
            if name not in named:
                os.environ[name] = value
    if "SECRETS_FILE" not in named:
        os.environ["SECRETS_FILE"] = str(data_dir / "secrets.json")
    try:
        get_settings()
    except SystemExit as unusable:
        typer.echo(unusable.code, err=True)
        if not (data_dir / "stack.json").exists():
            typer.echo(f"Or name a stack of scripts/up: --data-dir FOLDER. There is none in {data_dir}.", err=True)
        raise SystemExit(_USAGE) from None


def _read(path: Path) -> dict[str, str]:
    try:
        stack = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return {name.upper(): stack[name] for name in ("database_url", "redis_url") if isinstance(stack.get(name), str)}
