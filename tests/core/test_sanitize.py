"""Values of a task's code, made fit to be stored."""

import json
import math
from collections.abc import Callable
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import sanitize


class Level(IntEnum):
    HIGH = 3


class Colour(StrEnum):
    RED = "red"


class LikeNumpy:
    """What converts itself, as numpy's numbers and tensors do."""

    def __init__(self, real: Callable[[], Any], index: Callable[[], Any] | None = None) -> None:
        self._real, self._index = real, index

    def __float__(self) -> float:
        return float(self._real())

    def __index__(self) -> int:
        if self._index is None:
            raise TypeError("only integer scalars can be an index")
        return int(self._index())


def _fails() -> float:
    raise RuntimeError("a tensor of 10 elements is no number")


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (5, 5),
        (True, 1),
        (0.5, 0.5),
        (Level.HIGH, 3),
        (Decimal("0.5"), 0.5),
        (Fraction(1, 4), 0.25),
        (LikeNumpy(lambda: 0.25), 0.25),
        (LikeNumpy(lambda: 0.25, lambda: 7), 7),
        ("1.5", 1.5),
        (2**63 - 1, 2**63 - 1),
        (2**63, float(2**63)),
        (10**400, None),
        (float("nan"), None),
        (math.inf, None),
        (-math.inf, None),
        (Decimal("NaN"), None),
        (Decimal("sNaN"), None),
        (Decimal("1e400"), None),
        (LikeNumpy(lambda: math.nan), None),
        (LikeNumpy(_fails), None),
        (complex(1, 1), None),
        ("half", None),
        ("9" * 100_000, None),
        (b"\xff", None),
        (None, None),
        ([1], None),
        (object(), None),
    ],
)
def test_a_number_is_stored_as_64_bits_hold_it(value: Any, stored: Any) -> None:
    found = sanitize.number(value)
    assert (found, type(found)) == (stored, type(stored))


def test_an_interruption_passes_through_a_conversion() -> None:
    class SoftLimit(Exception):  # noqa: N818
        pass

    def interrupted() -> float:
        raise SoftLimit

    with pytest.raises(SoftLimit):
        sanitize.number(LikeNumpy(interrupted))


class Loud(str):
    __slots__ = ()

    def __getitem__(self, _: Any) -> str:
        return "x" * 10_000


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        ("page 1", "page 1"),
        ("a\0b", "a\\0b"),
        ("a\ud800b", "a\\ud800b"),
        ("\udcff.txt", "\\udcff.txt"),
        ("ü 😀", "ü 😀"),
        ("a\\u0000b", "a\\u0000b"),
        (Colour.RED, "red"),
        (Loud("short"), "short"),
        ("x" * 1000, "x" * 64),
        ("\0" * 1000, "\\0" * 32),
    ],
)
def test_a_text_shows_what_cannot_be_stored(value: str, stored: str) -> None:
    found = sanitize.text(value, 64)
    assert (found, type(found)) == (stored, str)


@given(st.text(st.characters()) | st.text("\0\ud800\udfff\\u0"), st.integers(1, 300))
def test_any_text_is_stored_within_its_bound(value: str, most: int) -> None:
    found = sanitize.text(value, most)
    assert len(found) <= most
    assert "\0" not in found
    assert json.loads(json.dumps(found).encode()) == found


@given(st.floats() | st.integers() | st.decimals() | st.fractions() | st.text())
def test_any_number_is_json(value: Any) -> None:
    json.dumps(sanitize.number(value), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        (r'"\u0000"', True),
        (r'"\\u0000"', False),
        (r'"\\\u0000"', True),
        (r'"\\\\u0000"', False),
        (r'["a\\",{"\u0000":1}]', True),
        ('"u0000"', False),
    ],
)
def test_an_escaped_backslash_begins_no_escape(text: str, holds: bool) -> None:
    assert sanitize.holds_nul(text) is holds
