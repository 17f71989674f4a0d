"""Which failures are the same error."""

import string
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tasks.run.fingerprint import fingerprint, normalise

# What separates a variable part from the text around it, as messages have it.
_NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=12)
_VARIABLE = {
    "number": st.integers(min_value=0).map(str)
    | st.floats(min_value=0, allow_infinity=False).map(lambda x: f"{x:.4f}"),
    "uuid": st.uuids().map(str),
    "hash": st.from_regex(r"\A[0-9][0-9a-f]{7,63}\Z"),
    "address": st.integers(min_value=0).map(hex),
    "text": st.from_regex(r"\A'[a-z]{1,20} [a-z 0-9]{1,20}'\Z"),
    "value": st.from_regex(r"\A='[a-z]{1,20}'\Z"),
    "url": st.from_regex(r"\Ahttps?://[a-z.]{1,20}/[a-z0-9/?=&]{0,40}\Z"),
    "email": st.from_regex(r"\A[a-z.]{1,10}[a-z]@[a-z]{1,10}\.[a-z]{2,3}\Z"),
    "address of a host": st.ip_addresses(v=4).map(str),
    "id": st.from_regex(r"\A[A-Z]{3}_[0-9]{3}[A-Za-z0-9]{8,20}\Z"),
}


def _of(message: str, kind: str = "ValueError") -> uuid.UUID:
    return fingerprint({"type": kind, "message": message})


@pytest.mark.parametrize("kind", _VARIABLE)
@given(data=st.data(), before=_NAMES, after=_NAMES)
def test_failures_that_differ_in_a_variable_part_are_one_error(kind: str, data: st.DataObject, before: str, after: str):
    first, second = (data.draw(_VARIABLE[kind]) for _ in range(2))
    assert _of(f"{before} {first} {after}") == _of(f"{before} {second} {after}")


@given(words=st.lists(_NAMES, min_size=1, max_size=6), others=st.lists(_NAMES, min_size=1, max_size=6))
def test_other_words_are_another_error(words: list[str], others: list[str]):
    first, second = " ".join(words), " ".join(others)
    assert (_of(first) == _of(second)) == (first == second)
    assert _of(first) != _of(first, "KeyError")


@given(st.text(max_size=2_000))
def test_every_message_has_a_fingerprint_that_stays(message: str):
    assert _of(message) == _of(message)
    # Decimal digits of every script are replaced.
    assert not any(letter.isdecimal() for letter in normalise(message))
    assert len(normalise(message)) <= 256


@pytest.mark.parametrize(
    ("message", "normalised"),
    [
        ("order 4711 of user 'Alice Smith' not found", "order <id> of user <text> not found"),
        ("can't open it, won't try", "can't open it, won't try"),
        ("'price'", "'price'"),
        ("'order-4711'", "<text>"),
        ("'NoneType' object has no attribute 'foo'", "'NoneType' object has no attribute 'foo'"),
        ("got name='foo', id=12", "got name=<text>, id=<id>"),
        ("connect to 10.0.0.12:5432 failed", "connect to <id> failed"),
        ("connect to fe80::1ff:fe23:4567:890a failed", "connect to <id> failed"),
        ("<object at 0x7f3a9c>", "<object at <id>>"),
        ("commit 9fceb02d0ae598e95dc970b74767f19372d61af8", "commit <id>"),
        ("at 2026-11-30T16:30:00.123Z", "at <id>T<id>Z"),
        ("took 1e-05 s and -3 s", "took <id> s and <id> s"),
        ("charge ch_3MmlLrLkdIwHu7ix0snN0B15 declined", "charge <id> declined"),
        ("std::vector and a::b", "std::vector and a::b"),
        ("  a\n\n b\t", "a b"),
        ("GET https://a.example.com/x?y=1: 503", "GET <url> <id>"),
    ],
)
def test_a_message_without_what_differs(message: str, normalised: str):
    assert normalise(message) == normalised


@pytest.mark.parametrize(
    "piece",
    ["a", "'", "\\'", '"', "`", "a.", "a@", "0", "f", "f1", "a1_", ":", "0:", "x://", "-", "'a", "a' ", "\n", "٣"],
)
def test_no_message_takes_long(piece: str):
    began = time.process_time()
    normalise((piece * 2_000)[:2_000])
    assert time.process_time() - began < 0.25
