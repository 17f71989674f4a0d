"""What a command shows: a table to people, one line of JSON to programs."""

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
    """Show one thing, a field a row."""
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
    """Show several things, each a row of the columns; JSON has every field, under ``items``."""
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
    # Into a pipe or a file, rich would cut at 80 columns, in the middle of a key.
    return Console(width=None if sys.stdout.isatty() else 200)
