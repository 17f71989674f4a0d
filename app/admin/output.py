"""Show the result of a command: a table for people, or one line of JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

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


def show_change(subject: str, before: Mapping[str, Any], after: Mapping[str, Any], *, as_json: bool) -> None:
    """Show what an act has changed, in a line for each field. JSON has the whole record after the change."""
    if as_json:
        typer.echo(json.dumps(after))
        return
    old, new = _flat(before), _flat(after)
    changed = [name for name in new | old if old.get(name) != new.get(name)]
    lines = [f"{subject}: {name} {_said(old.get(name))} → {_said(new.get(name))}" for name in changed]
    typer.echo("\n".join(lines) or f"{subject}: nothing changed")


def as_plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with texts for its ids and times, which JSON does not have."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, UUID) else value
        for name, value in row.items()
    }


def _flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, and those of its limits under their own names."""
    limits = record.get("limits") or {}
    return {name: value for name, value in record.items() if name not in {"limits", "overrides"}} | {
        name: "unlimited" if value is None else value for name, value in limits.items()
    }


def _said(value: object) -> str:
    return "none" if value is None else ("yes" if value else "no") if isinstance(value, bool) else str(value)


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
        # Null is a limit that does not exist: the only records in a record are limits and what is used of them.
        return "\n".join(
            f"{name} = {'unlimited' if item is None else escape(str(item))}" for name, item in value.items()
        )
    if isinstance(value, list):
        return escape(", ".join(map(str, value)))
    return "" if value is None else escape(str(value))


def _console() -> Console:
    # For a pipe or a file, rich would wrap lines at 80 columns, in the middle of a key.
    return Console(width=None if sys.stdout.isatty() else 200)
