"""Define the commands for the clients that an api serves."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from app.admin import cli_runtime
from app.admin.output import AsJson, show
from app.core.config import get_settings

app = typer.Typer(help="The Python and the TypeScript client under /clients of the API.", no_args_is_help=True)


@app.callback()
# Typer would run the only command of a group without its name.
def _group() -> None:
    """Keep ``clients`` a group, although it has one command."""


@app.command()
def build(
    output: Annotated[Path | None, typer.Option(help="Folder. Default: CLIENTS_FOLDER, from which apis serve.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Build both clients, with the task types of TASK_MODULES. Repeat it when these change; no api needs a restart."""
    folder = (output or get_settings().clients_folder).absolute()
    made = _build(folder)
    files = [file["name"] for client in made.values() for file in client["files"]]
    show({"folder": str(folder), "files": files if as_json else ", ".join(files)}, as_json=as_json)


def _build(folder: Path) -> dict[str, Any]:
    # The generator stands outside of the application, which it imports for the document: so it runs as its own program.
    line = [sys.executable, "-P", "-m", "scripts.client_archives", "--output", str(folder)]
    # As scripts/up does: modules of task types are found where the caller is.
    settings = {"TASK_MODULES_FOLDER": str(Path.cwd()), **os.environ}
    done = subprocess.run(line, env=settings, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise cli_runtime.CommandRefused("The clients were not built. What went wrong stands above.")
    # The operator's task modules are imported for the document, and may print lines of their own before it.
    built: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return built
