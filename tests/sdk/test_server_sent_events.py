"""The parser of streams, from its source: it needs nothing of the rest of the client."""

import importlib.util
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT

SOURCE = ROOT / "scripts" / "sdk_overlay" / "task_queue_client" / "server_sent_events.py"


@pytest.fixture(scope="module")
def parsing() -> ModuleType:
    """The module."""
    spec = importlib.util.spec_from_file_location("server_sent_events", SOURCE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def blocks(parsing: ModuleType, *chunks: bytes) -> list[Any]:
    """Return the id and the data of each block that the chunks complete."""
    parser = parsing.Parser()
    return [(block.id, block.data) for chunk in chunks for block in parser.feed(chunk)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_blocks_are_read_with_every_end_of_a_line(parsing: ModuleType, end: bytes):
    lines = [
        b": a comment",
        b"",
        b"id: 1",
        b"",
        b"id:2",
        b"data: a",
        b"data:  b",
        b"event: x",
        b"retry: 5",
        b"",
        b"data",
        b"",
        b"data: cut",
    ]
    # A CR at the very end may be half of a CRLF, so one more byte decides.
    found = blocks(parsing, end.join([*lines, b""]) + b":")
    assert found == [("1", None), ("2", "a\n b"), (None, "")]


def test_other_separators_of_lines_stay_in_the_data(parsing: ModuleType):
    text = '{"a":"x\u2028y\x85z\x0b"}'
    assert blocks(parsing, f"data: {text}\n\n".encode()) == [(None, text)]


@given(
    blocks_sent=st.lists(
        st.tuples(
            st.text("abc", min_size=1), st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))
        )
    ),
    cuts=st.lists(st.integers(1, 7), min_size=1),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_it_does_not_matter_where_the_bytes_are_cut(parsing: ModuleType, blocks_sent: Any, cuts: list[int], end: str):
    sent = "".join(f"id: {name}{end}data: {data}{end}{end}" for name, data in blocks_sent).encode()
    chunks, place, turn = [], 0, 0
    while place < len(sent):
        size = cuts[turn % len(cuts)]
        chunks.append(sent[place : place + size])
        place, turn = place + size, turn + 1
    assert blocks(parsing, *chunks) == blocks_sent
