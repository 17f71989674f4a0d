"""The output of a command: a table for people, one line of JSON for programs."""

import json

import pytest

from app.admin import output


def test_json_is_one_line_with_every_field(capsys: pytest.CaptureFixture[str]) -> None:
    output.show({"slug": "acme", "limits": {"running": 2}}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"slug": "acme", "limits": {"running": 2}}
    output.show_list([{"a": 1, "b": 2}], ["a"], as_json=True)
    assert json.loads(capsys.readouterr().out) == {"items": [{"a": 1, "b": 2}]}


def test_a_table_has_the_columns_and_no_markup_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_list([{"a": "[red]x[/red]", "b": None, "c": ["p", "q"]}], ["a", "b", "c"], as_json=False)
    shown = capsys.readouterr().out
    assert "[red]x[/red]" in shown
    assert "p, q" in shown
    assert "None" not in shown


def test_a_long_key_is_not_broken_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    output.show({"api_key": "k" * 150}, as_json=False)
    assert "k" * 150 in capsys.readouterr().out
