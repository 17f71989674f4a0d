"""The newest timeline is remembered, outlives the process, and only the operator takes it back."""

import logging
import stat
from pathlib import Path

import pytest

from app.db.timelines import FILE_NAME, ServerRefused, Timelines

_SYSTEM, _OTHER = 7713780298099323624, 7713780298099399999


def _kept_in(folder: Path) -> Timelines:
    made = Timelines()
    made.keep_in(folder)
    return made


def test_an_older_timeline_is_refused_with_a_line_that_says_what_to_do(tmp_path: Path) -> None:
    known = _kept_in(tmp_path)
    known.see(_SYSTEM, 2)
    known.see(_SYSTEM, 2)
    known.see(_OTHER, 1)
    with pytest.raises(ServerRefused, match=r"timeline 1, .* timeline 2 .*doctor --accept-timeline"):
        known.see(_SYSTEM, 1)


def test_what_was_seen_outlives_the_process_in_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    _kept_in(tmp_path).see(_SYSTEM, 3)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    with pytest.raises(ServerRefused):
        _kept_in(tmp_path).see(_SYSTEM, 2)


def test_a_process_hears_by_the_file_what_another_has_seen(tmp_path: Path) -> None:
    one, other = _kept_in(tmp_path), _kept_in(tmp_path)
    one.see(_SYSTEM, 1)
    other.see(_SYSTEM, 1)
    before = one.version
    other.see(_SYSTEM, 2)
    one.refresh()
    assert one.newest(_SYSTEM) == 2
    assert one.version != before
    # What is known for the first time says nothing of connections that were checked before.
    assert other.version == before + 1


def test_an_accepted_timeline_outweighs_what_others_remember(tmp_path: Path) -> None:
    one, other = _kept_in(tmp_path), Timelines()
    one.see(_SYSTEM, 5)
    other.learn(one.marks())
    one.accept(_SYSTEM, 3)
    one.see(_SYSTEM, 3)
    # It has not heard yet; what it says afterwards changes nothing.
    one.learn(other.marks())
    assert one.newest(_SYSTEM) == 3
    other.learn(one.marks())
    other.see(_SYSTEM, 3)
    other.see(_SYSTEM, 4)
    one.learn(other.marks())
    assert one.newest(_SYSTEM) == 4
    assert _kept_in(tmp_path).newest(_SYSTEM) == 4


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"1": {"timeline": 2}}', '{"1": 2}'])
def test_a_file_that_cannot_be_read_is_written_again(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    known = _kept_in(tmp_path)
    known.see(_SYSTEM, 2)
    assert "cannot be read" in caplog.text
    assert _kept_in(tmp_path).newest(_SYSTEM) == 2


def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    known = _kept_in(tmp_path / "missing")
    for timeline in (1, 2, 3):
        known.see(_SYSTEM, timeline)
    known.refresh()
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "cannot be written" in warnings[0]
    with pytest.raises(ServerRefused):
        known.see(_SYSTEM, 2)


def test_a_file_that_has_gone_is_written_again(tmp_path: Path) -> None:
    known = _kept_in(tmp_path)
    known.see(_SYSTEM, 2)
    (tmp_path / FILE_NAME).unlink()
    known.refresh()
    assert _kept_in(tmp_path).newest(_SYSTEM) == 2
