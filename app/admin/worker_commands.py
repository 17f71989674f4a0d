"""Define the command that lists workers."""

import typer

from app.admin import cli_runtime, store
from app.admin.output import AsJson, as_plain, show_list

app = typer.Typer(help="Watch workers.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keep ``worker`` a group, although it has one command."""


@app.command("list")
def list_(*, as_json: AsJson = False) -> None:
    """Show each worker process: where it runs, its pool, its slots, and when it was last seen."""
    found = [as_plain(row) for row in cli_runtime.as_admin(store.workers_any_tenant)]
    columns = ("hostname", "pid", "pool", "alive", "slots", "running", "last_seen_seconds", "task_types", "started_at")
    show_list(found, columns, as_json=as_json)
