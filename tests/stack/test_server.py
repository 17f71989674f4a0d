"""A server's folder: made once, whoever comes first."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from scripts.stack.server import prepare_folder


def test_starts_that_find_no_folder_at_once_make_one(tmp_path: Path) -> None:
    starts = 6
    barrier = Barrier(starts)

    def prepare(folder: Path) -> Path:
        barrier.wait(10.0)
        made = prepare_folder(folder)
        # What a start does next: its lock lies in the folder.
        (made / "lock").touch()
        return made

    with ThreadPoolExecutor(starts) as threads:
        for number in range(100):
            folder = tmp_path / f"parent-{number}" / "pg"
            assert set(threads.map(prepare, [folder] * starts)) == {folder.resolve()}
            assert [path.name for path in folder.parent.iterdir()] == ["pg"]
            assert [path.name for path in folder.iterdir()] == ["lock"]


def test_a_folder_has_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        folder = prepare_folder(tmp_path / "pg")
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == (0o711 if os.geteuid() == 0 else 0o700)


def test_an_existing_folder_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "pg").mkdir(0o750)
    assert stat.S_IMODE(prepare_folder(tmp_path / "pg").stat().st_mode) == 0o750
