"""Which known name was probably meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.suggestions import closest, did_you_mean, is_one_error_away

NAMES = ("echo", "http_request", "long_task", "report.build")


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ("ecko", "echo"), ("eco", "echo"), ("eccho", "echo"), ("ehco", "echo"), ("Echo", "echo"),
        ("longtask", "long_task"), ("long-task", "long_task"), ("report_build", "report.build"), ("build", "report.build"),
        ("HttpRequest", "http_request"), ("http_requests", "http_request"),
        ("other", None), ("", None), ("e", None), ("...", None), ("x" * 65, None), ("oche", None), ("exxo", None),
    ],
)  # fmt: skip
def test_one_typing_error_is_understood_and_more_are_not(sent: str, meant: str | None):
    assert closest(sent, NAMES) == meant
    assert did_you_mean(sent, NAMES) == (f" Did you mean {meant}?" if meant else "")


@given(st.text("abcd", min_size=2, max_size=8), st.integers(0, 7), st.sampled_from("abcd"))
def test_each_single_error_is_one_error(text: str, place: int, letter: str):
    place %= len(text)
    assert is_one_error_away(text, text[:place] + letter + text[place:])
    assert is_one_error_away(text, text[:place] + letter + text[place + 1 :])
    assert is_one_error_away(text, text[:place] + text[place + 1 :]) or len(text) < 3
    swapped = text[:place] + text[place : place + 2][::-1] + text[place + 2 :]
    assert is_one_error_away(text, swapped)


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_it_is_the_same_in_both_directions(one: str, other: str):
    assert is_one_error_away(one, other) == is_one_error_away(other, one)
