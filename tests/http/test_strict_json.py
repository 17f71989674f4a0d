"""Strict JSON: what is refused, and that everything else is read as the standard library reads it."""

import json
from collections.abc import Callable
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import MalformedBody
from app.http.strict_json import MAX_DEPTH, loads

CORPUS = {
    "NaN": b'{"SECRET": NaN}',
    "Infinity": b"[Infinity]",
    "negative Infinity": b"[-Infinity]",
    "float beyond range": b"1e999",
    "negative float beyond range": b"[-1e999]",
    "jsonb bomb": b"1e131071",
    "float of many digits": b"1" * 400 + b".5",
    "2^63": b"9223372036854775808",
    "-2^63-1": b"-9223372036854775809",
    "integer of 5,000 digits": b"[" + b"9" * 5_000 + b"]",
    "lone high surrogate": rb'["\ud800SECRET"]',
    "lone low surrogate": rb'["\uDC00"]',
    "surrogates in the wrong order": rb'["\udc00\ud800"]',
    "lone surrogate in a key": rb'{"\ud83dSECRET": 1}',
    "lone surrogate deep inside": rb'{"a": [{"b": ["\uDBFF"]}]}',
    "surrogate in UTF-8 bytes": b'["\xed\xa0\x80"]',
    "escaped NUL": rb'["\u0000SECRET"]',
    "escaped NUL in a key": rb'{"SECRET\u0000": 1}',
    "escaped NUL after an escaped backslash": rb'["\\\u0000"]',
    "raw NUL": b'["\x00"]',
    "raw newline in a string": b'["a\nb"]',
    "duplicate members": b'{"SECRET": 1, "SECRET": 2}',
    "duplicate members, one escaped": rb'{"a": 1, "\u0061": 2}',
    "duplicate members inside": b'[{"a": {"b": 1, "b": 1}}]',
    "depth 33": b"[" * 33 + b"]" * 33,
    "depth 33 of objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "depth 1,000": b"[" * 1_000 + b"]" * 1_000,
    "depth 100,000": b"[" * 100_000 + b"]" * 100_000,
    "depth 100,000, unfinished": b"[" * 100_000,
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without mark": '{"a": 1}'.encode("utf-16-le"),
    "invalid UTF-8": b'["\xff"]',
    "overlong UTF-8": b'["\xc0\x80"]',
    "nothing": b"",
    "spaces": b"  ",
    "text after the document": b"{} SECRET",
    "single quotes": b"{'SECRET': 1}",
    "trailing comma": b"[1,]",
    "comment": b"[1] // SECRET",
    "leading zero": b"[01]",
    "leading plus": b"[+1]",
    "bare word": b"SECRET",
}


@pytest.mark.parametrize("raw", CORPUS.values(), ids=CORPUS.keys())
def test_whatever_cannot_be_kept_is_refused_without_an_echo(raw: bytes) -> None:
    with pytest.raises(MalformedBody) as refused:
        loads(raw)
    assert "SECRET" not in refused.value.detail
    assert refused.value.detail.endswith(".")
    assert len(refused.value.detail) < 120


@pytest.mark.parametrize(
    ("raw", "document"),
    [
        (b"9223372036854775807", 2**63 - 1),
        (b"-9223372036854775808", -(2**63)),
        (b"[1e300, -0.0, 1e-400]", [1e300, -0.0, 0.0]),
        (rb'"\ud83d\ude00"', "\N{GRINNING FACE}"),
        (rb'"\\u0000"', r"\u0000"),
        (rb'"\\ud800 \u00e9"', "\\ud800 é"),
        (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
        (b'{"a": {"a": 1}, "b": [{"a": 1}]}', {"a": {"a": 1}, "b": [{"a": 1}]}),
        (b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 35),
        (b" null\n", None),
    ],
)
def test_the_edge_of_what_is_allowed_is_read(raw: bytes, document: Any) -> None:
    assert loads(raw) == document


_TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
_LEAVES = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
_DOCUMENTS = st.recursive(
    _LEAVES | _TEXT, lambda inner: st.lists(inner) | st.dictionaries(_TEXT, inner), max_leaves=MAX_DEPTH
)


@given(_DOCUMENTS, st.booleans())
def test_a_valid_document_is_read_as_the_standard_library_reads_it(document: Any, ascii_only: bool) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    assert loads(raw) == json.loads(raw) == document


@given(st.binary() | st.text(alphabet='{}[]",:\\u0d8cNaIe1-. ').map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        document = loads(raw)
    except MalformedBody:
        return
    assert document == json.loads(raw)
    assert json.dumps(document, allow_nan=False).encode().decode()


@pytest.mark.parametrize(
    "make",
    [
        lambda size: b"[" + b",".join([b"1"] * (size // 2)) + b"]",
        lambda size: b"[" + b",".join([b"{}"] * (size // 3)) + b"]",
        lambda size: b'["' + b"\\\\" * (size // 2) + rb'\u00e9"]',
        lambda size: b"[" + b"0." + b"1" * size + b"]",
    ],
    ids=["integers", "objects", "backslashes", "one long float"],
)
def test_a_body_costs_as_much_as_it_is_long(make: Callable[[int], bytes]) -> None:
    tenth, whole = (_cpu_seconds(make(size)) for size in (26_000, 260_000))
    # In proportion it is 10; a pattern or a number that takes quadratic time makes it 100.
    assert whole < 40 * tenth


def _cpu_seconds(raw: bytes) -> float:
    """Return the least of several readings, each long enough for the clock."""
    readings = []
    for _ in range(5):
        began = process_time()
        for _ in range(10):
            loads(raw)
        readings.append(process_time() - began)
    return min(readings)
