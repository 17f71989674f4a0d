"""The measurement of the console: it knows every page; its long form runs once, with little of everything."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.console.pages import PAGES
from scripts.benchmark import console
from scripts.pictures.pages import NO_PICTURE


def test_every_page_is_measured():
    pages = {page.under for page in PAGES if page.method == "GET"} - NO_PICTURE.keys()
    assert {path.partition("?")[0] for path in console.PATHS} == pages


def test_a_page_that_is_slow_or_heavy_misses_its_target():
    pages = [
        console.PageTimes("/fast", [1.0] * 99 + [400.0], 1.0, 1_000),
        console.PageTimes("/slow", [1.0] * 90 + [51.0] * 10, 1.0, 1_000),
        console.PageTimes("/heavy", [1.0], 1.0, 250_001),
    ]
    rows = [line for line in console.table(pages) if "/console/" in line]
    assert ["missed" in row for row in rows] == [False, True, True]


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for the names of sockets, which tmp_path does not."""
    with tempfile.TemporaryDirectory(prefix="tq") as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_pages_are_measured_and_nothing_is_left_behind(short_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(short_path))
    monkeypatch.setenv("TMPDIR", str(short_path))
    report = console.main(["--console", "--quick"])
    assert len(re.findall(r"^\| `/console", report, re.MULTILINE)) in {len(console.PATHS), 2 * len(console.PATHS)}
    assert re.search(r"200 submits: [0-9.]+ times as long", report)
    assert list(short_path.iterdir()) == []
