"""Whatever a task's code logs is made storable, and bounded."""

import json
import logging
import math
from typing import Any

import pytest

from app.tasks.run import log_lines


@pytest.mark.parametrize(
    ("template", "arguments", "told"),
    [
        ("row %d of %s", (3, "7"), "row 3 of 7"),
        ("100 %", (), "100 %"),
        ("%d rows", ("many",), "%d rows ('many',)"),
        (42, (), "42"),
        ("a\0b \ud800", (), "a\\0b \\ud800"),
        ("x" * 5_000, (), "x" * 2_000),
    ],
)
def test_a_message_is_formatted_as_logging_does_and_never_fails(
    template: object, arguments: tuple[Any, ...], told: str
) -> None:
    assert log_lines.message(template, arguments, None) == told


class _Mute:
    def __str__(self) -> str:
        raise ValueError

    __repr__ = __str__


def test_a_message_that_cannot_be_read_is_told_as_such() -> None:
    assert log_lines.message(_Mute(), (), None) == "(this message cannot be read)"
    assert log_lines.message("%s", (_Mute(),), None) == "(this message cannot be read)"


def test_a_traceback_follows_the_message_and_keeps_its_end() -> None:
    told = log_lines.message("failed", (), ValueError("the end " + "x" * 3_000 + " of it"))
    assert told.startswith("failed\nx")
    assert told.endswith("x of it")
    told = log_lines.message("y" * 3_000, (), ValueError("x" * 3_000))
    assert (len(told), told[:501]) == (log_lines.MAX_MESSAGE, "y" * 500 + "\n")


@pytest.mark.parametrize(
    ("extra", "stored"),
    [
        (None, None),
        ({}, None),
        ("no mapping", None),
        ({"row": 3, "name": "ü"}, {"row": 3, "name": "ü"}),
        ({"error": ValueError("bad")}, {"error": "bad"}),
    ],
)
def test_extra_becomes_fields(extra: object, stored: Any) -> None:
    text = log_lines.fields(extra)
    assert (text and json.loads(text)) == stored


@pytest.mark.parametrize(
    "extra", [{"n": math.nan}, {"s": "\ud800"}, {"s": "a\0b"}, {"long": "x" * 3_000}, {"mute": _Mute()}]
)
def test_fields_that_cannot_be_stored_say_why(extra: Any) -> None:
    assert "dropped" in json.loads(str(log_lines.fields(extra)))


@pytest.mark.parametrize(
    ("level", "name"),
    [(logging.INFO, "INFO"), (25, "INFO"), (5, "DEBUG"), (-3, "DEBUG"), (35, "WARNING"), (99, "CRITICAL")],
)
def test_a_level_of_any_number_has_a_name(level: int, name: str) -> None:
    assert log_lines.level_name(level) == name
