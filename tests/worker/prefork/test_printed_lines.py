# ruff: noqa: T201
"""What code prints is handed on line by line, and the stream is the worker's own again afterwards."""

import io
import sys
import threading

import pytest

from app.worker.prefork import printed_lines


def test_each_printed_line_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    original, lines = io.StringIO(), list[str]()
    monkeypatch.setattr(sys, "stdout", original)
    with printed_lines.captured(lines.append):
        print("one\ntwo")
        print("th", end="")
        print("ree")
        thread = threading.Thread(target=print, args=("of a thread",))
        thread.start()
        thread.join()
        print("no end", end="")
        left = sys.stdout
    assert lines == ["one", "two", "three", "of a thread", "no end"]
    assert sys.stdout is original
    print("later", file=left)
    assert (lines[-1], original.getvalue()) == ("no end", "later\n")


def test_a_line_without_an_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = list[str]()
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with printed_lines.captured(lines.append):
        for _ in range(100):
            sys.stdout.write("x" * 1_000)
    assert sum(map(len, lines)) == 100_000
    assert max(map(len, lines)) <= printed_lines._MAX_LINE + 1_000


def test_code_that_replaces_the_stream_does_not_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    original = io.StringIO()
    monkeypatch.setattr(sys, "stdout", original)
    with pytest.raises(KeyError), printed_lines.captured(lambda _: None):
        sys.stdout = io.StringIO()
        raise KeyError
    assert sys.stdout is original
