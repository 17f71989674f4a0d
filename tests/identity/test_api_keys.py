"""API keys: their shape, and that a typing error never passes."""

import re
import string

from hypothesis import assume, given
from hypothesis import strategies as st

from app.identity.api_keys import digest, generate, parse

KEY = generate().text
_LETTERS = st.sampled_from(string.ascii_letters + string.digits + "_- ")


def test_a_key_has_the_shape_that_scanners_look_for() -> None:
    text, key_id = generate()
    assert re.fullmatch(r"tq_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{46}", text)
    assert len(text) == 67
    assert parse(text) == key_id == text[8:20]


def test_two_keys_differ() -> None:
    assert len({generate() for _ in range(100)}) == 100


@given(st.integers(0, len(KEY) - 1), _LETTERS)
def test_one_wrong_letter_never_parses(place: int, letter: str) -> None:
    assume(KEY[place] != letter)
    assert parse(KEY[:place] + letter + KEY[place + 1 :]) is None


@given(st.integers(0, len(KEY) - 2))
def test_two_swapped_letters_never_parse(place: int) -> None:
    swapped = KEY[:place] + KEY[place + 1] + KEY[place] + KEY[place + 2 :]
    assume(swapped != KEY)
    assert parse(swapped) is None


@given(st.integers(0, len(KEY) - 1))
def test_a_cut_key_never_parses(length: int) -> None:
    assert parse(KEY[:length]) is None
    assert parse(KEY[length + 1 :]) is None


@given(st.text() | st.from_regex(r"\Atq_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{46}\Z"))
def test_anything_else_never_parses(text: str) -> None:
    assert parse(text) is None
    assert parse(f"{KEY}{text or ' '}") is None


def test_the_digest_depends_on_the_pepper_and_on_every_letter() -> None:
    assert digest(KEY, b"a") == digest(KEY, b"a")
    assert len(digest(KEY, b"a")) == 32
    assert len({digest(KEY, b"a"), digest(KEY, b"b"), digest(KEY + "x", b"a")}) == 3
