"""Show the result of a command: a table for people, or one line of JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

AsJson = Annotated[bool, typer.Option("--json", help="One line of JSON instead of a table.")]


def show(record: Mapping[str, Any], *, as_json: bool) -> None:
    """Show one record, with one field in each row."""
    if as_json:
        typer.echo(json.dumps(record))
        return
    table = Table(show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in record.items():
        table.add_row(name, _cell(value))
    _console().print(table)


def show_list(records: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Show several records as rows of the columns. JSON has all their fields, under ``items``."""
    if as_json:
        typer.echo(json.dumps({"items": list(records)}))
        return
    table = Table(*columns)
    for record in records:
        table.add_row(*(_cell(record[column]) for column in columns))
    _console().print(table)


def _cell(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name} = {escape(str(item))}" for name, item in value.items())
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return "" if value is None else escape(str(value))


def _console() -> Console:
    # For a pipe or a file, rich would wrap lines at 80 columns, in the middle of a key.
    return Console(width=None if sys.stdout.isatty() else 200)
