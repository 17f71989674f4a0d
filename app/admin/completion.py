"""Complete the commands of ``scripts/admin`` in bash and zsh.

Typer's own scripts do not work here: they name a shell variable after the program, whose name has a slash.
"""

import asyncio
import os
from pathlib import Path
from typing import Annotated, Final, Literal

import typer
from typer._completion_classes import completion_init

from app.admin import cli_runtime, stack
from app.db import Connection
from app.tenants import store

VARIABLE: Final = "_TASK_QUEUE_ADMIN_COMPLETE"
"""The variable by which a shell asks for completions."""
# Seconds that a person waits for the tenants after pressing the tab key.
_TIMEOUT: Final = 3.0

_BASH: Final = """
_task_queue_admin() {{
    local words="${{COMP_WORDS[@]}}"
    COMPREPLY=($(COMP_WORDS="$words" COMP_CWORD=$COMP_CWORD {variable}=complete_bash "$1" 2>/dev/null))
}}
complete -o default -F _task_queue_admin admin
"""
_ZSH: Final = """
_task_queue_admin() {{
    local -a found
    local joined="${{(j: :)words}}" place=$((CURRENT - 1))
    found=("${{(@f)$(COMP_WORDS="$joined" COMP_CWORD=$place {variable}=complete_bash ${{~words[1]}} 2>/dev/null)}}")
    compadd -a found
}}
compdef _task_queue_admin admin
"""


def completion(shell: Annotated[Literal["bash", "zsh"], typer.Argument(help="Your shell.")]) -> None:
    """Print the lines that complete commands and tenants in your shell. They work for every path of ``scripts/admin``.

    Add this line to ~/.bashrc or ~/.zshrc, with the path of your checkout:

        eval "$(/path/to/scripts/admin completion bash)"
    """
    script = _BASH if shell == "bash" else _ZSH
    typer.echo(script.format(variable=VARIABLE).strip())


def prepare() -> None:
    """Make the shells known that Typer can answer."""
    completion_init()


def slugs(incomplete: str) -> list[str]:
    """Return the slugs of tenants that begin so; none if the stack cannot be asked. It never writes to the terminal."""
    if os.environ.get(VARIABLE) is None:
        return []
    try:
        given = os.environ.get("DATA_DIR")
        # The shell asks before the command line is parsed, so the callback that chooses the stack has not run.
        stack.choose(Path(given) if given else None, is_silent=True)
        return [slug for slug in asyncio.run(_slugs()) if slug.startswith(incomplete)]
    except (Exception, SystemExit):  # noqa: BLE001 a tab key must not end in a traceback
        return []


async def _slugs() -> list[str]:
    async with asyncio.timeout(_TIMEOUT):
        return await cli_runtime.as_admin_in_loop(_read)


async def _read(connection: Connection) -> list[str]:
    return [tenant.slug for tenant in await store.list_any_tenant(connection) if tenant.status != "deleted"]
