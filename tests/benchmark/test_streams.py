"""The measurement of open streams: its long form runs once, with few of them."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.benchmark import streams


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path leaves room for the names of sockets, which tmp_path does not."""
    with tempfile.TemporaryDirectory(prefix="tq") as folder:
        yield Path(folder)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_streams_are_measured_and_nothing_is_left_behind(short_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tempfile.tempdir", str(short_path))
    monkeypatch.setenv("TMPDIR", str(short_path))
    report = streams.main(["--streams", "--quick"])
    p50, p95 = map(int, re.findall(r"p50 (\d+), p95 (\d+)", report)[0])
    assert 0 < p50 <= p95
    assert re.search(r"200 submits of another tenant \| 1 \| [0-9.]+ times as long", report)
    assert list(short_path.iterdir()) == []
