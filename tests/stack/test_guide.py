"""What ``scripts/up`` does for the guide: it builds it where it can and must, and a failure is only said."""

from pathlib import Path

import pytest

from scripts.guide_site import sources_digest
from scripts.stack import files, guide, stackfile
from scripts.stack.stackfile import Stack


@pytest.fixture
def unbuildable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """A stack whose guide would be in a place where no folder can be."""
    (tmp_path / "file").touch()
    files.private_folder(tmp_path / "logs")
    monkeypatch.setenv("GUIDE_FOLDER", str(tmp_path / "file" / "guide"))
    monkeypatch.delenv("GUIDE", raising=False)
    return stackfile.load(tmp_path)


def test_a_failure_is_said_and_logged(unbuildable: Stack, capsys: pytest.CaptureFixture[str]):
    guide.build(unbuildable)
    assert "the guide was not built: see" in capsys.readouterr().err
    assert "Error" in (unbuildable.data_dir / "logs" / "guide.log").read_text()
    assert not guide.is_built(unbuildable)


def test_it_is_not_tried_where_it_is_off(
    unbuildable: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("GUIDE", "off")
    guide.build(unbuildable)
    assert capsys.readouterr() == ("", "")


def test_one_that_is_current_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("GUIDE", raising=False)
    monkeypatch.delenv("GUIDE_FOLDER", raising=False)
    stack = stackfile.load(tmp_path)
    guide.folder(stack).mkdir()
    sources_digest.write(guide.folder(stack))
    guide.build(stack)
    assert capsys.readouterr() == ("", "")
    assert not guide.is_built(stack)
    (guide.folder(stack) / "index.html").touch()
    assert guide.is_built(stack)
